--[[ refund_orders: mark paid orders refunded that inventory rejected. A duplicate changes nothing.

  KEYS  1 identity   then the order of each refund
  ARGV  the reason of each refund
  Reply an integer for each: 1 refunded   2 was refunded before   3 is not paid   0 there is no such order ]]
local function refund_orders(keys, args)
  local now = int(now_ms())
  local status = {}
  for i = 1, #args do
    status[i] = redis.call('HGET', keys[i + 1], 'status')
  end

  local reply = {}
  for i, reason in ipairs(args) do
    if not status[i] then
      reply[i] = 0
    elseif status[i] == 'refunded' then
      reply[i] = 2
    elseif status[i] ~= 'paid' then
      reply[i] = 3
    else
      redis.call('HSET', keys[i + 1], 'status', 'refunded', 'reason', reason, 'refunded_at', now)
      reply[i] = 1
    end
  end
  return reply
end

register('refund_orders', refund_orders, {'allow-oom'})
