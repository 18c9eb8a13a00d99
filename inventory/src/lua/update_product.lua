--[[ update_product: give a product another name or price. A product that has both already stays as
  it is.

  KEYS  1 identity   2 product   3 names index   4 stream of changes
  ARGV  1 product id   2 condition   3 name   4 name to sort by   5 price
        An empty name or price stays as it is.
  Reply {1, product}     it has this name and price, now or since an earlier call
        {0}              there is no such product
        {3}              the condition does not admit its version ]]
local UPDATED, NOT_FOUND, OTHER_VERSION = 1, 0, 3

local function either(new, old)
  return new ~= '' and new or old
end

local function update_product(keys, args)
  local product, names, changes = keys[2], keys[3], keys[4]
  local id, condition = args[1], args[2]
  local found, line = read_product(product)
  if not found then
    return {NOT_FOUND}
  elseif not admits(condition, int(found.version)) then
    return {OTHER_VERSION}
  end
  assert(writable_as(names, 'zset'), 'a key has a wrong type')

  local name, price = either(args[3], found.name), either(args[5], found.price)
  local sorted_by = found.sort_name
  if name == found.name and price == found.price then
    return {UPDATED, line}
  end
  found.name, found.price, found.sort_name = name, price, either(args[4], sorted_by)
  found.version = found.version + 1
  line = product_line(found, now_ms())
  redis.call('ZREM', names, sorted_by .. '\0' .. id)
  redis.call('ZADD', names, 0, found.sort_name .. '\0' .. id)
  redis.call('SET', product, line)
  announce(changes, 'product.updated', {id})
  return {UPDATED, line}
end

register('update_product', update_product)
