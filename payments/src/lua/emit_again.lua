--[[ emit_again: emit order_completed once more for a paid order. This is for an order of which
  inventory has no record, or whose refund was lost after inventory asked for it. The event is the
  same under a new entry. inventory takes the stock of an order once, and repeats its recorded
  answer.

  KEYS  1 identity   2 order   3 order_completed stream
  ARGV  1 order id
  Reply 1 emitted   0 there is no such order, or it is not paid
  Event order_completed ]]
local EMITTED, NOT_PAID = 1, 0

local function emit_again(keys, args)
  local key, stream, id = keys[2], keys[3], args[1]
  local line = redis.call('GET', key)
  if not line then
    return NOT_PAID
  end
  local status, _, paid_at = read_order(line)
  if not status then
    return damaged_order(key)
  elseif status ~= 'paid' then
    return NOT_PAID
  elseif not writable_as(stream, 'stream') then
    return damaged(stream)
  end
  local time = rfc3339(whole(paid_at, 'the time of a payment'))
  local entry = emit_completed(stream, time, id, line, paid_tail(line))
  if not entry then
    return damaged_order(key)
  end
  redis.call('SET', key, with_entry(line, entry))
  return EMITTED
end

register('emit_again', emit_again, {'allow-oom'})
