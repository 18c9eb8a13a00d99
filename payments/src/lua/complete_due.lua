--[[ complete_due: mark orders paid whose delay has elapsed, and emit order_completed for each.
  The keys of the orders are made from the ids in `due`; they carry the partition tag of the prefix, so they lie in the
  slot of the declared keys.

  KEYS  1 identity   2 due   3 order_completed stream
  ARGV  1 prefix of order keys   2 how many orders at most
  Reply {paid, wait until the next is due in ms or -1, then the ids of the paid orders}
  Event order_completed for each ]]

-- The orders of the batch that are pending. An id without one is dropped from `due` with the others: it cannot be paid, and
-- must not keep those behind it from being paid.
local function read_pending(prefix, ids)
  local pending = {}
  for _, id in ipairs(ids) do
    local fields = redis.pcall('HMGET', prefix .. id,
      'status', 'product_id', 'quantity', 'price', 'fee', 'total', 'traceparent')
    if fields[1] == 'pending' then
      pending[#pending + 1] = {id = id, key = prefix .. id, product_id = fields[2], quantity = fields[3],
        price = fields[4], fee = fields[5], total = fields[6], traceparent = fields[7]}
    end
  end
  return pending
end

local function pay(order, stream, now)
  redis.call('HSET', order.key, 'status', 'paid', 'paid_at', int(now))
  redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', order.id .. ':completed', 'ce_source', '/payments',
    'ce_type', 'order.completed.v1', 'ce_time', rfc3339(now), 'traceparent', order.traceparent,
    'order_id', order.id, 'product_id', order.product_id, 'quantity', order.quantity,
    'price', order.price, 'fee', order.fee, 'total', order.total, 'status', 'paid')
end

local function complete_due(keys, args)
  local due, stream = keys[2], keys[3]
  local now = now_ms()
  local ids = redis.call('ZRANGEBYSCORE', due, '-inf', int(now), 'LIMIT', 0, args[2])
  local reply = {0, -1}
  if #ids > 0 then
    assert(writable_as(stream, 'stream'), 'order_completed is no stream')
    for _, order in ipairs(read_pending(args[1], ids)) do
      pay(order, stream, now)
      reply[#reply + 1] = order.id
    end
    redis.call('ZREM', due, unpack(ids))
    reply[1] = #reply - 2
  end
  local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if next_due[2] then
    reply[2] = math.max(0, tonumber(next_due[2]) - now)
  end
  return reply
end

register('complete_due', complete_due, {'allow-oom'})
