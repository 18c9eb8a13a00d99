--[[ delete_product: take a product out of the catalogue and leave a tombstone. Orders in flight
  find the tombstone and are refunded. Without a tombstone, a deleted product would look like lost
  data.

  KEYS  1 identity   2 product   3 products index   4 names index   5 movements of the product
        6 stream of changes
  ARGV  1 product id   2 condition
  Reply 1 deleted   0 there is no such product   3 the condition does not admit its version ]]
local DELETED, NOT_FOUND, OTHER_VERSION = 1, 0, 3

local function delete_product(keys, args)
  local product, products, names, movements, changes = keys[2], keys[3], keys[4], keys[5], keys[6]
  local id, condition = args[1], args[2]
  local found = read_product(product)
  if not found then
    return NOT_FOUND
  elseif not admits(condition, int(found.version)) then
    return OTHER_VERSION
  end
  assert(can_list(products, names, movements), 'a key has a wrong type')

  redis.call('ZREM', products, id)
  redis.call('ZREM', names, found.sort_name .. '\0' .. id)
  redis.call('SET', product, 'deleted ' .. int(now_ms()))
  move(movements, 'deleted', 0 - found.quantity, 0, '')
  announce(changes, 'product.deleted', {id})
  return DELETED
end

register('delete_product', delete_product, {'allow-oom'})
