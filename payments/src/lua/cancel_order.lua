--[[ cancel_order: cancel an order that is still pending. Completion and cancellation race for the status; one wins.

  KEYS  1 identity   2 order   3 due
  ARGV  1 order id
  Reply 1 cancelled   2 was cancelled before   3 too late   0 there is no such order ]]
local function cancel_order(keys, args)
  local order, due = keys[2], keys[3]
  local status = redis.call('HGET', order, 'status')
  if not status then
    return 0
  elseif status == 'cancelled' then
    return 2
  elseif status ~= 'pending' then
    return 3
  end
  redis.call('ZREM', due, args[1])
  redis.call('HSET', order, 'status', 'cancelled', 'cancelled_at', int(now_ms()))
  return 1
end

register('cancel_order', cancel_order, {'allow-oom'})
