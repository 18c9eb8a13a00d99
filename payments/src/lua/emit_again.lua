--[[ emit_again: emit order_completed once more for an order that is paid, where inventory has no record of it, or the refund
  that it asked for was lost. It is the same event under a new entry: inventory acts on it once, and repeats its answer.

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
    return no_order(key)
  elseif status ~= 'paid' then
    return NOT_PAID
  elseif not writable_as(stream, 'stream') then
    return damaged(stream)
  end
  local tail, before = string.match(line, '^.* ()%d+ %d+( paid %d+ )%d+%-%d+$')
  local entry = emit_completed(stream, rfc3339(whole(paid_at, 'the time of a payment')), id, line, tail)
  if not entry then
    return no_order(key)
  end
  redis.call('SET', key, string.sub(line, 1, tail + TIMES - 1) .. before .. entry)
  return EMITTED
end

register('emit_again', emit_again, {'allow-oom'})
