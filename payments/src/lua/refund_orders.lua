--[[ refund_orders: mark paid orders refunded that inventory rejected, and give the account back what they cost.
  A duplicate changes nothing.

  KEYS  1 identity   2 stream of changes   3 account   then the order of each refund
  ARGV  for each refund: order id, reason, id of the entry that asked for it
  Reply an integer for each: 1 refunded   2 was refunded before   3 is not paid   0 there is no such order ]]
local function refund_orders(keys, args)
  local changes, account = keys[2], keys[3]
  local now = int(now_ms())
  assert(#args == 3 * (#keys - 3), 'three arguments for each refund')
  local status, cents = {}, {}
  for i = 4, #keys do
    local found = redis.call('HMGET', keys[i], 'status', 'total')
    status[keys[i]] = found[1]
    cents[keys[i]] = minor_units(found[2])
    assert(found[1] ~= 'paid' or cents[keys[i]], 'the total of an order is no amount')
  end
  if not can_add(account, 'refunded') then
    return damaged(account)
  end

  local reply, refunded, told = {}, 0, {}
  for i = 1, #keys - 3 do
    local order, a = keys[i + 3], 3 * i - 2
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
      told[#told + 1] = args[a]
      refunded = refunded + cents[order]
      reply[i] = 1
    end
  end
  add(account, 'refunded', refunded)
  announce(changes, 'order.refunded', told)
  return reply
end

register('refund_orders', refund_orders, {'allow-oom'})
