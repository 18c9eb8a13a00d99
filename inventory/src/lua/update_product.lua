--[[ update_product: give a product another name or price. Nothing happens when it has them already.

  KEYS  1 identity   2 product   3 names index   4 stream of changes
  ARGV  1 product id   2 condition   3 name   4 name to sort by   5 price; an empty one stays as it is
  Reply {1, product}     it has this name and price, now or since earlier
        {0}              there is no such product
        {3}              the condition does not admit its version ]]
local UPDATED, NOT_FOUND, OTHER_VERSION = 1, 0, 3
local PRODUCT = {'id', 'version', 'price', 'quantity', 'created_at', 'updated_at', 'name'}

local function either(new, old)
  return new ~= '' and new or old
end

local function update_product(keys, args)
  local product, names, changes = keys[2], keys[3], keys[4]
  local id, condition = args[1], args[2]
  local found = read_fields(product, PRODUCT)
  if not found then
    return {NOT_FOUND}
  elseif not admits(condition, found.version) then
    return {OTHER_VERSION}
  end
  local version = whole(found.version, 'the version of the product')
  assert(writable_as(names, 'zset'), 'a key has a wrong type')
  local sorted_by = assert(redis.call('HGET', product, 'sort_name'), 'the product has no name to sort by')

  local name, price = either(args[3], found.name), either(args[5], found.price)
  if name == found.name and price == found.price then
    return {UPDATED, line(found, PRODUCT)}
  end
  local sort_name = either(args[4], sorted_by)
  redis.call('ZREM', names, sorted_by .. '\0' .. id)
  redis.call('ZADD', names, 0, sort_name .. '\0' .. id)
  found.name, found.price = name, price
  found.version, found.updated_at = int(version + 1), int(now_ms())
  redis.call('HSET', product, 'name', name, 'sort_name', sort_name, 'price', price,
    'version', found.version, 'updated_at', found.updated_at)
  announce(changes, 'product.updated', {id})
  return {UPDATED, line(found, PRODUCT)}
end

register('update_product', update_product)
