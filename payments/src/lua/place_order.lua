--[[ place_order: claim the idempotency key, write the order and when it is due, all or nothing.
  Calling it again with the same order id changes nothing and answers the same.

  KEYS  1 identity   2 order   3 orders index   4 due   5 stream of changes
  ARGV  1 order id   2 product id   3 quantity   4 price   5 fee   6 total   7 traceparent   8 request id
        9 delay in ms   10 time inside the id, in ms   11, 12, 13 the claim
  Reply {1, created at in ms, due at in ms}   placed
        {2, id of the order it placed}        the key was used for the same request
        {3}                                   the key was used for another request ]]
local MAX_SKEW_MS = 24 * 60 * 60 * 1000
local PLACED = 1

local function place_order(keys, args)
  local order, orders, due, changes = keys[2], keys[3], keys[4], keys[5]
  local id = args[1]
  local times = redis.call('HMGET', order, 'created_at', 'completes_at')
  if times[1] then
    return {PLACED, tonumber(times[1]), tonumber(times[2])}
  end
  local now = now_ms()
  local answered = replay(args, now)
  if answered then
    return answered
  end
  if not writable_as(orders, 'zset') then
    return damaged(orders)
  elseif not writable_as(due, 'zset') then
    return damaged(due)
  end
  -- What becomes of an order is remembered by the time inside its id, so that time must be about right.
  if math.abs(now - whole(args[10], 'the time inside the id')) > MAX_SKEW_MS then
    return redis.error_reply('CLOCK the id of the order is from another day')
  end

  local completes_at = now + whole(args[9], 'the delay')
  remember(args, now, id)
  redis.call('HSET', order, 'product_id', args[2], 'quantity', args[3], 'price', args[4],
    'fee', args[5], 'total', args[6], 'traceparent', args[7], 'request_id', args[8], 'status', 'pending',
    'created_at', int(now), 'completes_at', int(completes_at))
  redis.call('ZADD', orders, 0, id)
  redis.call('ZADD', due, int(completes_at), id)
  announce(changes, 'order.created', {id})
  return {PLACED, now, completes_at}
end

register('place_order', place_order)
