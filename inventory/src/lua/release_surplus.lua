--[[ release_surplus: give back the stock that an order took by a surplus movement. The record of
  the order names another movement, or says that the order was rejected. The ledger of the product
  has all movements of the order, so the function proves the surplus itself. The record of the
  order stays as it is, and the order is not refunded. A second call changes nothing.

  KEYS  1 identity   2 product   3 movements of the product   4 records of the hour of the order
        5 stream of changes
  ARGV  1 order id   2 product id   3 most pieces of a product   4 number of the hour
        5 id of the surplus movement
  Reply 1 given back   2 was given back before   0 the movement is no surplus, or there is no proof
        4 the product would have too many pieces ]]
local GIVEN_BACK, BEFORE, NOT_TAKEN, TOO_MANY = 1, 2, 0, 4

-- True when the record accounts for the order without this movement. The record names another sale
-- in the same ledger, which may have been given back later, or it says that the order was rejected.
local function is_surplus(recorded, movement, since, movements, order_id)
  local entry = recorded and movement_of(recorded, since)
  if entry then
    return recorded ~= movement and taken(movements, entry, order_id) ~= nil
  end
  return recorded == '2' or recorded == '3'
end

local function release_surplus(keys, args)
  assert(#keys == 5 and #args == 5, 'expected five keys and five arguments')
  local product, movements, records = keys[2], keys[3], keys[4]
  local order_id, since = args[1], whole(args[4], 'the hour') * HOUR_MS
  local record, movement = string.sub(order_id, RECORD_FROM), recorded_as(args[5])
  local recorded = redis.call('HGET', records, record)
  if recorded == RELEASED then
    recorded = redis.call('HGET', records, released_field(record))
  end
  local mark = surplus_field(record, movement)
  if redis.call('HEXISTS', records, mark) == 1 then
    return BEFORE
  end
  local quantity = is_surplus(recorded, movement, since, movements, order_id)
    and taken(movements, args[5], order_id)
  local found = quantity and read_product(product)
  if not found then
    return NOT_TAKEN
  elseif not give_back(keys, args, found, quantity, now_ms()) then
    return TOO_MANY
  end
  redis.call('HSET', records, mark, RELEASED)
  return GIVEN_BACK
end

register('release_surplus', release_surplus, {'allow-oom'})
