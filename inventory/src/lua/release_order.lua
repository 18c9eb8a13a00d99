--[[ release_order: give back the stock that an order took, because payments took no money for it, or gave it back.
  The movement of the order says how much. From then on the order is recorded as rejected for lack of stock, so that a
  duplicate of its event is answered with a refund. Stock of a product that was deleted meanwhile is given back to nobody.

  KEYS  1 identity   2 product   3 movements of the product   4 record bucket of the order   5 stream of changes
  ARGV  1 order id   2 product id   3 most pieces of a product
  Reply 1 released   2 was released before   0 no stock of this product is taken for it   4 there would be too many pieces ]]
local GIVEN_BACK, BEFORE, NOT_TAKEN, TOO_MANY = 1, 2, 0, 4
local RELEASED = '4'

-- How many pieces the order took; nil when its movement is not one of this product.
local function taken(movements, entry, order_id)
  local found = redis.call('XRANGE', movements, entry, entry)[1]
  local fields = {}
  for i = 1, found and #found[2] or 0, 2 do
    fields[found[2][i]] = found[2][i + 1]
  end
  if fields.kind == 'sale' and fields.order_id == order_id then
    return tonumber(string.match(fields.delta or '', '^%-(%d+)$'))
  end
end

local function release_order(keys, args)
  local product, movements, bucket, changes = keys[2], keys[3], keys[4], keys[5]
  local order_id, product_id = args[1], args[2]
  local recorded = redis.call('HGET', bucket, order_id)
  if recorded == RELEASED then
    return BEFORE
  elseif not recorded or not string.match(recorded, '^%d+%-%d+$') then
    return NOT_TAKEN
  end
  local quantity = taken(movements, recorded, order_id)
  if not quantity then
    return NOT_TAKEN
  end
  local found = read_fields(product, {'quantity', 'version'})
  if found then
    local balance = whole(found.quantity, 'the stock of a product') + quantity
    local version = whole(found.version, 'the version of a product') + 1
    if balance > whole(args[3], 'the most pieces of a product') then
      return TOO_MANY
    end
    redis.call('HSET', product, 'quantity', int(balance), 'updated_at', int(now_ms()), 'version', int(version))
    redis.call('XADD', movements, '*',
      'kind', 'release', 'delta', int(quantity), 'balance', int(balance), 'order_id', order_id)
    announce(changes, 'product.stock_changed', {product_id})
  end
  redis.call('HSET', bucket, order_id, RELEASED)
  return GIVEN_BACK
end

register('release_order', release_order, {'allow-oom'})
