--[[ complete_due: mark orders paid whose delay has elapsed, charge them to the account, and emit order_completed for each.
  The keys of the orders are made from the ids in `due`; they carry the partition tag of the prefix, so they lie in the
  slot of the declared keys.

  KEYS  1 identity   2 due   3 order_completed stream   4 stream of changes   5 account
  ARGV  1 prefix of order keys   2 how many orders at most, up to 1,000
  Reply {how many were paid, wait until the next is due in ms or -1, then the ids of the paid orders, and then those
        that were due without being a pending order}
  Event order_completed for each ]]

-- Sorts the ids of the batch into orders that can be paid, and ids that stand for none: damage that somebody has to look at.
-- They are taken off the list as well, or they would keep those behind them from being paid.
local function read_batch(prefix, ids)
  local payable, broken = {}, {}
  for _, id in ipairs(ids) do
    local fields = redis.pcall('HMGET', prefix .. id,
      'status', 'product_id', 'quantity', 'price', 'fee', 'total', 'traceparent', 'request_id')
    local complete = fields[1] == 'pending'
    for i = 2, 8 do
      complete = complete and fields[i]
    end
    local cents = complete and minor_units(fields[6])
    if cents then
      payable[#payable + 1] = {id = id, key = prefix .. id, product_id = fields[2], quantity = fields[3],
        price = fields[4], fee = fields[5], total = fields[6], traceparent = fields[7], request_id = fields[8],
        cents = cents}
    else
      broken[#broken + 1] = id
    end
  end
  return payable, broken
end

local function pay(order, stream, paid_at, time)
  local entry = redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', order.id .. ':completed', 'ce_source', '/payments',
    'ce_type', 'order.completed.v1', 'ce_time', time, 'traceparent', order.traceparent,
    'request_id', order.request_id, 'order_id', order.id, 'product_id', order.product_id,
    'quantity', order.quantity, 'price', order.price, 'fee', order.fee, 'total', order.total, 'status', 'paid')
  redis.call('HSET', order.key, 'status', 'paid', 'paid_at', paid_at, 'completed_entry', entry)
end

-- Lua passes a few thousand values at once, and not one more: ids would be paid and then not taken off the list.
local MAX_BATCH = 1000

local function complete_due(keys, args)
  local due, stream, changes, account = keys[2], keys[3], keys[4], keys[5]
  local limit = whole(args[2], 'how many at most')
  assert(limit <= MAX_BATCH, 'too many orders at once')
  local now = now_ms()
  local ids = redis.call('ZRANGEBYSCORE', due, '-inf', int(now), 'LIMIT', 0, int(limit))
  local reply = {0, -1}
  if #ids > 0 then
    if not writable_as(stream, 'stream') then
      return damaged(stream)
    elseif not can_add(account, 'charged') then
      return damaged(account)
    end
    local payable, broken = read_batch(args[1], ids)
    local charged, paid_at, time, paid = 0, int(now), rfc3339(now), {}
    for i, order in ipairs(payable) do
      pay(order, stream, paid_at, time)
      paid[i] = order.id
      reply[#reply + 1] = order.id
      charged = charged + order.cents
    end
    add(account, 'charged', charged)
    redis.call('ZREM', due, unpack(ids))
    announce(changes, 'order.paid', paid)
    reply[1] = #payable
    for _, id in ipairs(broken) do
      reply[#reply + 1] = id
    end
  end
  local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if next_due[2] then
    reply[2] = math.max(0, tonumber(next_due[2]) - now)
  end
  return reply
end

register('complete_due', complete_due, {'allow-oom'})
