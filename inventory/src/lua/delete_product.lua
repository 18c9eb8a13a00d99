--[[ delete_product: take a product out of the catalogue and leave a tombstone.
  Orders in flight find the tombstone and are refunded. Without it, a missing product could as well be lost data.

  KEYS  1 identity   2 product   3 products index   4 movements of the product   5 stream of changes
  ARGV  1 product id
  Reply 1 deleted   0 there is no such product ]]
local function delete_product(keys, args)
  local product, products, movements, changes = keys[2], keys[3], keys[4], keys[5]
  local quantity = redis.call('HGET', product, 'quantity')
  if not quantity then
    return 0
  end
  assert(string.match(quantity, '^%d+$'), 'the stock of the product is no number')
  assert(writable_as(products, 'zset') and writable_as(movements, 'stream'), 'a key has a wrong type')

  redis.call('ZREM', products, args[1])
  redis.call('DEL', product)
  redis.call('HSET', product, 'deleted_at', int(now_ms()))
  redis.call('XADD', movements, '*', 'kind', 'deleted', 'delta', int(0 - tonumber(quantity)), 'balance', 0)
  announce(changes, 'product.deleted', args[1])
  return 1
end

register('delete_product', delete_product, {'allow-oom'})
