--[[ refund_orders: mark paid orders refunded that inventory rejected. A duplicate changes nothing.

  KEYS  1 identity   2 stream of changes   then the order of each refund
  ARGV  for each refund: order id, reason, id of the entry that asked for it
  Reply an integer for each: 1 refunded   2 was refunded before   3 is not paid   0 there is no such order ]]
local function refund_orders(keys, args)
  local changes = keys[2]
  local now = int(now_ms())
  assert(#args == 3 * (#keys - 2), 'three arguments for each order')
  local status = {}
  for i = 3, #keys do
    status[keys[i]] = redis.call('HGET', keys[i], 'status')
  end

  local reply = {}
  for i = 1, #keys - 2 do
    local order, a = keys[i + 2], 3 * i - 2
    if not status[order] then
      reply[i] = 0
    elseif status[order] == 'refunded' then
      reply[i] = 2
    elseif status[order] ~= 'paid' then
      reply[i] = 3
    else
      -- The same order may stand in the batch once more.
      status[order] = 'refunded'
      redis.call('HSET', order, 'status', 'refunded', 'reason', args[a + 1], 'refunded_at', now, 'refund_entry', args[a + 2])
      announce(changes, 'order.refunded', args[a])
      reply[i] = 1
    end
  end
  return reply
end

register('refund_orders', refund_orders, {'allow-oom'})
