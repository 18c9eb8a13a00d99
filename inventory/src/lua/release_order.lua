--[[ release_order: give back the stock that an order took, and ask payments to refund the order,
  in one step. The movement of the order says how many pieces to give back. The function records
  the order as released, so that a duplicate of its event is answered with a refund. A second
  release changes no stock and repeats the refund. If the product was deleted in the meantime, no
  product gets the pieces. payments does not refund an order that is not paid.

  KEYS  1 identity   2 product   3 movements of the product   4 records of the hour of the order
        5 stream of changes   6 refund_order stream
  ARGV  1 order id   2 product id   3 most pieces of a product   4 number of the hour
        5 traceparent and 6 request id of the request that releases
  Reply 1 released   2 was released before   0 no stock of this product is taken for it
        4 the product would have too many pieces
  Event refund_order for 1 and 2 ]]
local GIVEN_BACK, BEFORE, NOT_TAKEN, TOO_MANY = 1, 2, 0, 4

local function release_order(keys, args)
  assert(#keys == 6 and #args == 6, 'expected six keys and six arguments')
  local product, movements, records, refunds = keys[2], keys[3], keys[4], keys[6]
  local order_id, product_id, since = args[1], args[2], whole(args[4], 'the hour') * HOUR_MS
  local record, now = string.sub(order_id, RECORD_FROM), now_ms()
  local sale = redis.call('HGET', records, record)
  local is_released = sale == RELEASED
  if is_released then
    sale = redis.call('HGET', records, released_field(record))
  end
  local entry = sale and movement_of(sale, since)
  local quantity = entry and taken(movements, entry, order_id)
  if not quantity then
    return NOT_TAKEN
  elseif not writable_as(refunds, 'stream') then
    return damaged(refunds)
  end
  local found = not is_released and read_product(product)
  if found and not give_back(keys, args, found, quantity, now) then
    return TOO_MANY
  end
  if not is_released then
    redis.call('HSET', records, record, RELEASED, released_field(record), sale)
  end
  emit_refund(refunds, {order_id = order_id, product_id = product_id, quantity = int(quantity),
    reason = 'released', traceparent = args[5], request_id = args[6]}, rfc3339(now))
  return is_released and BEFORE or GIVEN_BACK
end

register('release_order', release_order, {'allow-oom'})
