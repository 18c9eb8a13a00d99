--[[ release_order: give back the stock that an order took, and ask payments to refund the order,
  in one step. The movement of the order says how many pieces to give back. The function records
  the order as released, so that a duplicate of its event is answered with a refund. A second
  release changes no stock and repeats the refund. An older build recorded neither the movement
  nor a refund; the caller then finds the movement in the ledger. If the product was deleted in
  the meantime, no product gets the pieces. payments does not refund an order that is not paid.

  KEYS  1 identity   2 product   3 movements of the product   4 records of the hour of the order
        5 stream of changes   6 refund_order stream
  ARGV  1 order id   2 product id   3 most pieces of a product   4 number of the hour
        5 traceparent and 6 request id of the request that releases
        7 the movement by which the order took its stock, where an older build released it
  Reply 1 released   2 was released before   0 no stock of this product is taken for it
        3 was released before, and the movement by which it took its stock is unknown
        4 the product would have too many pieces
        5 was released before by an older build, and its refund is asked for now
  Event refund_order for 1, 2 and 5 ]]
local GIVEN_BACK, BEFORE, NOT_TAKEN, UNPROVED, TOO_MANY, REFUND_ADDED = 1, 2, 0, 3, 4, 5

-- Answers three values about the stock of an order: whether the order is released, the recorded
-- movement by which the order took its stock, and whether an older build released the order without
-- recording that movement.
local function read_release(records, record, movement)
  local recorded = redis.call('HGET', records, record)
  if recorded ~= RELEASED then
    return false, recorded, false
  end
  local sale = redis.call('HGET', records, released_field(record))
  if not sale and movement ~= '' then
    return true, recorded_as(movement), true
  end
  return true, sale, false
end

local function release_order(keys, args)
  assert(#keys == 6 and #args == 7, 'expected six keys and seven arguments')
  local product, movements, records, refunds = keys[2], keys[3], keys[4], keys[6]
  local order_id, product_id, since = args[1], args[2], whole(args[4], 'the hour') * HOUR_MS
  local record, now = string.sub(order_id, RECORD_FROM), now_ms()
  local is_released, sale, is_from_older_build = read_release(records, record, args[7])
  local entry = sale and movement_of(sale, since)
  local quantity = entry and taken(movements, entry, order_id)
  if not quantity then
    return is_released and UNPROVED or NOT_TAKEN
  elseif not writable_as(refunds, 'stream') then
    return damaged(refunds)
  end
  local found = not is_released and read_product(product)
  if found and not give_back(keys, args, found, quantity, now) then
    return TOO_MANY
  end
  if not is_released or is_from_older_build then
    redis.call('HSET', records, record, RELEASED, released_field(record), sale)
  end
  emit_refund(refunds, {order_id = order_id, product_id = product_id, quantity = int(quantity),
    reason = 'released', traceparent = args[5], request_id = args[6]}, rfc3339(now))
  if is_from_older_build then
    return REFUND_ADDED
  end
  return is_released and BEFORE or GIVEN_BACK
end

register('release_order', release_order, {'allow-oom'})
