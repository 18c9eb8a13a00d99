--[[ create_product: a new product with its first stock.
  Calling it again with the same id changes nothing and answers the same.

  KEYS  1 identity   2 product   3 products index   4 movements of the product   5 stream of changes
  ARGV  1 product id   2 name   3 price   4 quantity
  Reply {1, created at in ms} ]]
local function create_product(keys, args)
  local product, products, movements, changes = keys[2], keys[3], keys[4], keys[5]
  local id, name, price, quantity = args[1], args[2], args[3], args[4]
  local created_at = redis.call('HGET', product, 'created_at')
  if created_at then
    return {1, tonumber(created_at)}
  end
  assert(writable_as(products, 'zset') and writable_as(movements, 'stream'), 'a key has a wrong type')

  local now = now_ms()
  redis.call('ZADD', products, 0, id)
  redis.call('HSET', product, 'id', id, 'name', name, 'price', price, 'quantity', quantity,
    'version', 1, 'created_at', int(now), 'updated_at', int(now))
  redis.call('XADD', movements, '*', 'kind', 'created', 'delta', quantity, 'balance', quantity)
  announce(changes, 'product.created', id)
  return {1, now}
end

register('create_product', create_product)
