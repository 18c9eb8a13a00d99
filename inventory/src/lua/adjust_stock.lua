--[[ adjust_stock: change the stock of a product by hand. `restock`: pieces arrived. `stocktake`:
  an operator counted all pieces. A stocktake adds a movement even when the count equals the
  stock.

  KEYS  1 identity   2 product   3 movements of the product   4 stream of changes
  ARGV  1 product id   2 kind of movement
        3 quantity: the pieces that arrived, or all pieces that were counted
        4 note, maybe empty   5 condition   6 most pieces of a product   7, 8, 9 the claim
  Reply {1, 1, product}    adjusted
        {1, 0}             there is no such product
        {1, 3}             the condition does not admit its version
        {1, 4}             the product would have too many pieces
        {2, product}       the key was used for the same request; the product as it stood then
        {3}                the key was used for another request ]]
local DONE, ADJUSTED, NOT_FOUND, OTHER_VERSION, TOO_MANY = 1, 1, 0, 3, 4

local function adjust_stock(keys, args)
  local product, movements, changes = keys[2], keys[3], keys[4]
  local id, kind, note, condition = args[1], args[2], args[4], args[5]
  local now = now_ms()
  local answered = answered_before(args, now)
  if answered then
    return answered
  end
  local found = read_product(product)
  if not found then
    return {DONE, NOT_FOUND}
  elseif not admits(condition, int(found.version)) then
    return {DONE, OTHER_VERSION}
  end
  local balance, most = whole(args[3], 'the quantity'), whole(args[6], 'the most pieces')
  assert(writable_as(movements, 'stream'), 'a key has a wrong type')
  if kind == 'restock' then
    balance = found.quantity + balance
  end
  if balance > most then
    return {DONE, TOO_MANY}
  end

  local delta = balance - found.quantity
  found.quantity, found.version = balance, found.version + 1
  local line = product_line(found, now)
  remember(args, now, line)
  redis.call('SET', product, line)
  move(movements, kind, delta, balance, note)
  announce(changes, 'product.stock_changed', {id})
  return {DONE, ADJUSTED, line}
end

register('adjust_stock', adjust_stock)
