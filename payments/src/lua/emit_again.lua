--[[ emit_again: emit order_completed once more for an order that is paid, where inventory has no record of it, or the refund
  that it asked for was lost. It is the same event under a new entry: inventory acts on it once, and repeats its answer.

  KEYS  1 identity   2 order   3 order_completed stream
  ARGV  1 order id
  Reply 1 emitted   0 there is no such order, or it is not paid
  Event order_completed ]]
local EMITTED, NOT_PAID = 1, 0
local FIELDS = {'status', 'product_id', 'quantity', 'price', 'fee', 'total', 'traceparent', 'request_id', 'paid_at'}

local function emit_again(keys, args)
  local key, stream, id = keys[2], keys[3], args[1]
  if redis.call('HGET', key, 'status') ~= 'paid' then
    return NOT_PAID
  end
  local order = read_fields(key, FIELDS)
  local paid_at = whole(order.paid_at, 'the time of a payment')
  if not writable_as(stream, 'stream') then
    return damaged(stream)
  end
  local entry = redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', id .. ':completed', 'ce_source', '/payments',
    'ce_type', 'order.completed.v1', 'ce_time', rfc3339(paid_at), 'traceparent', order.traceparent,
    'request_id', order.request_id, 'order_id', id, 'product_id', order.product_id,
    'quantity', order.quantity, 'price', order.price, 'fee', order.fee, 'total', order.total, 'status', 'paid')
  redis.call('HSET', key, 'completed_entry', entry)
  return EMITTED
end

register('emit_again', emit_again, {'allow-oom'})
