--[[ create_product: claim the idempotency key, and write a new product with its first stock, all or
  nothing. Calling it again with the same id changes nothing and answers the same. The id of a
  deleted product is an error: the product would come back with the movements of the old one.

  KEYS  1 identity   2 product   3 products index   4 names index   5 movements of the product
        6 stream of changes
  ARGV  1 product id   2 name   3 name to sort by   4 price   5 quantity   6, 7, 8 the claim
  Reply {1, created at in ms}                   created
        {2, 'product id, created at in ms'}     the key was used for the same request
        {3}                                     the key was used for another request ]]
local CREATED = 1

local function create_product(keys, args)
  local product, products, names, movements, changes = keys[2], keys[3], keys[4], keys[5], keys[6]
  local id, name, sort_name, price, quantity = args[1], args[2], args[3], args[4], args[5]
  local there = read_product(product)
  if there then
    return {CREATED, tonumber(there.created_at)}
  end
  assert(redis.call('EXISTS', product) == 0, 'the product was deleted')
  local now = now_ms()
  local answered = answered_before(args, now)
  if answered then
    return answered
  end
  local first = {version = 1, quantity = whole(quantity, 'the quantity'), price = price,
    created_at = int(now), name = name, sort_name = sort_name}
  local line = product_line(first, now)
  assert(can_list(products, names, movements), 'a key has a wrong type')

  remember(args, now, id .. ' ' .. int(now))
  redis.call('ZADD', products, 0, id)
  redis.call('ZADD', names, 0, sort_name .. '\0' .. id)
  redis.call('SET', product, line)
  move(movements, 'created', first.quantity, first.quantity, '')
  announce(changes, 'product.created', {id})
  return {CREATED, now}
end

register('create_product', create_product)
