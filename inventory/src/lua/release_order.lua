--[[ release_order: give back the stock that an order took, because payments took no money for it, or gave it back.
  The movement of the order says how much. From then on the order is recorded as rejected for lack of stock, so that a
  duplicate of its event is answered with a refund. Stock of a product that was deleted meanwhile is given back to nobody.

  KEYS  1 identity   2 product   3 movements of the product   4 record bucket of the order   5 stream of changes
  ARGV  1 order id   2 product id   3 most pieces of a product   4 number of the bucket
  Reply 1 released   2 was released before   0 no stock of this product is taken for it   4 there would be too many pieces ]]
local GIVEN_BACK, BEFORE, NOT_TAKEN, TOO_MANY = 1, 2, 0, 4

-- How many pieces the order took; nil when its movement is not one of this product.
local function taken(movements, entry, order_id)
  local found = redis.call('XRANGE', movements, entry, entry)[1]
  local kind, text = unpack(found and found[2] or {})
  local quantity, sold = string.match(text or '', '^%-(%d+) %d+ (%S+)$')
  return kind == 'sale' and sold == order_id and tonumber(quantity) or nil
end

local function release_order(keys, args)
  local product, movements, bucket, changes = keys[2], keys[3], keys[4], keys[5]
  local order_id, product_id, since = args[1], args[2], whole(args[4], 'the number of the bucket') * BUCKET_MS
  local record = string.sub(order_id, RECORD_FROM)
  local recorded = redis.call('HGET', bucket, record)
  if recorded == RELEASED then
    return BEFORE
  end
  local entry = recorded and movement_of(recorded, since)
  local quantity = entry and taken(movements, entry, order_id)
  if not quantity then
    return NOT_TAKEN
  end
  local found = read_product(product)
  if found then
    found.quantity, found.version = found.quantity + quantity, found.version + 1
    if found.quantity > whole(args[3], 'the most pieces of a product') then
      return TOO_MANY
    end
    redis.call('SET', product, product_line(found, now_ms()))
    move(movements, 'release', quantity, found.quantity, order_id)
    announce(changes, 'product.stock_changed', {product_id})
  end
  redis.call('HSET', bucket, record, RELEASED)
  return GIVEN_BACK
end

register('release_order', release_order, {'allow-oom'})
