--[[ delete_product: take a product out of the catalogue and leave a tombstone.
  Orders in flight find the tombstone and are refunded. Without it, a missing product could as well be lost data.

  KEYS  1 identity   2 product   3 products index   4 names index   5 movements of the product   6 stream of changes
  ARGV  1 product id   2 condition
  Reply 1 deleted   0 there is no such product   3 the condition does not admit its version ]]
local DELETED, NOT_FOUND, OTHER_VERSION = 1, 0, 3

local function delete_product(keys, args)
  local product, products, names, movements, changes = keys[2], keys[3], keys[4], keys[5], keys[6]
  local found = read_fields(product, {'quantity', 'version', 'sort_name'})
  if not found then
    return NOT_FOUND
  elseif not admits(args[2], found.version) then
    return OTHER_VERSION
  end
  local on_hand = whole(found.quantity, 'the stock of the product')
  assert(writable_as(products, 'zset') and writable_as(names, 'zset') and writable_as(movements, 'stream'),
    'a key has a wrong type')

  redis.call('ZREM', products, args[1])
  redis.call('ZREM', names, found.sort_name .. '\0' .. args[1])
  redis.call('DEL', product)
  redis.call('HSET', product, 'deleted_at', int(now_ms()))
  redis.call('XADD', movements, '*', 'kind', 'deleted', 'delta', int(0 - on_hand), 'balance', 0)
  announce(changes, 'product.deleted', {args[1]})
  return DELETED
end

register('delete_product', delete_product, {'allow-oom'})
