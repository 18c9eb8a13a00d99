--[[ release_order: give back the stock that an order took, and ask payments to refund the order, in one step.
  The movement of the order says how much. From then on the order is recorded as released, so that a duplicate of its event
  is answered with a refund. A second release changes nothing and repeats the refund. An older build wrote down neither by
  which movement the order took its stock nor a refund: the caller finds the movement in the ledger. Stock of a product that was deleted
  meanwhile is given back to nobody. An order that is not paid is not refunded: payments knows.

  KEYS  1 identity   2 product   3 movements of the product   4 record bucket of the order   5 stream of changes
        6 refund_order stream
  ARGV  1 order id   2 product id   3 most pieces of a product   4 number of the bucket   5 traceparent and 6 request id of
        the request that releases   7 the movement by which the order took its stock, where an older build released it; or nothing
  Reply 1 released   2 was released before   0 no stock of this product is taken for it   4 there would be too many pieces
        3 was released before, and it is not known by which movement of this product it took its stock   5 was released before
        by an older build, and its refund is asked for now
  Event refund_order for 1, 2 and 5 ]]
local GIVEN_BACK, BEFORE, NOT_TAKEN, UNPROVED, TOO_MANY, REFUND_ADDED = 1, 2, 0, 3, 4, 5

local function release_order(keys, args)
  assert(#keys == 6 and #args == 7, 'six keys and seven arguments')
  local product, movements, bucket, changes, refunds = keys[2], keys[3], keys[4], keys[5], keys[6]
  local order_id, product_id, since = args[1], args[2], whole(args[4], 'the number of the bucket') * BUCKET_MS
  local record, now = string.sub(order_id, RECORD_FROM), now_ms()
  local recorded = redis.call('HGET', bucket, record)
  local is_released = recorded == RELEASED
  local sale = recorded
  if is_released then
    sale = redis.call('HGET', bucket, released_field(record))
  end
  local is_from_older_build = is_released and not sale and args[7] ~= ''
  if is_from_older_build then
    sale = recorded_as(args[7])
  end
  local entry = sale and movement_of(sale, since)
  local quantity = entry and taken(movements, entry, order_id)
  if not quantity then
    return is_released and UNPROVED or NOT_TAKEN
  elseif not writable_as(refunds, 'stream') then
    return damaged(refunds)
  end
  local found = not is_released and read_product(product)
  if found then
    found.quantity, found.version = found.quantity + quantity, found.version + 1
    if found.quantity > whole(args[3], 'the most pieces of a product') then
      return TOO_MANY
    end
    redis.call('SET', product, product_line(found, now))
    move(movements, 'release', quantity, found.quantity, order_id)
    announce(changes, 'product.stock_changed', {product_id})
  end
  if not is_released or is_from_older_build then
    redis.call('HSET', bucket, record, RELEASED, released_field(record), sale)
  end
  emit_refund(refunds, {order_id = order_id, product_id = product_id, quantity = int(quantity), reason = 'released',
    traceparent = args[5], request_id = args[6]}, rfc3339(now))
  return is_from_older_build and REFUND_ADDED or is_released and BEFORE or GIVEN_BACK
end

register('release_order', release_order, {'allow-oom'})
