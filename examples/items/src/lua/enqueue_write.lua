--[[ enqueue_write: number a write of an item, make its ticket, and add it to the queue.

  KEYS  1 identity   2 item   3 ticket   4 stream of writes   5 backlog
  ARGV  1 ticket id   2 item id   3 value   4 traceparent   5 request id
        6 most writes that wait   7 most bytes of their values   8 most entries of the stream
        9 prefix of the keys of claims   10 hash of the idempotency key   11 fingerprint
  Reply {1, 1, answer}   queued; the answer is `<ticket id> <version> <queued at>`
        {1, 0}           too many writes or bytes wait: nothing was queued
        {1, 2}           the stream has too many entries: nothing was queued
        {2, answer}      the key was used for the same request
        {3}              the key was used for another request
  Event write_queued ]]
local DONE, QUEUED, FULL, STREAM_FULL = 1, 1, 0, 2

-- Why no write can be queued; nil if one can.
local function fullness(stream, args, waiting)
  if waiting.writes + 1 > whole(args[6], 'the most writes')
    or waiting.bytes + #args[3] > whole(args[7], 'the most bytes') then
    return FULL
  elseif redis.call('XLEN', stream) >= whole(args[8], 'the most entries') then
    return STREAM_FULL
  end
end

-- Emits the event by which a worker learns of the write. Answers the id of its entry.
local function emit_queued(stream, args, version, now)
  return redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', args[1], 'ce_source', '/items',
    'ce_type', 'item.write_queued.v1', 'ce_time', rfc3339(now), 'traceparent', args[4],
    'request_id', args[5], 'item_id', args[2], 'version', int(version))
end

local function enqueue_write(keys, args)
  assert(#keys == 5 and #args == 11, 'expected five keys and eleven arguments')
  local item, ticket, stream, backlog = keys[2], keys[3], keys[4], keys[5]
  local now = now_ms()
  local before = answered_before(args, now)
  if before then
    return before
  elseif not writable_as(stream, 'stream') then
    return damaged(stream)
  end
  local waiting = read_backlog(backlog)
  if not waiting then
    return damaged_sums(backlog)
  end
  assert(writable_as(item, 'hash') and writable_as(ticket, 'none'), 'a key has a wrong type')
  local version = whole(redis.call('HGET', item, 'queued') or '0', 'the number of a write') + 1
  local full = fullness(stream, args, waiting)
  if full then
    return {DONE, full}
  end

  redis.call('HSET', item, 'queued', int(version))
  local entry = emit_queued(stream, args, version, now)
  redis.call('HSET', ticket, 'version', int(version), 'item', args[2], 'status', 'queued',
    'queued_at', int(now), 'entry', entry, 'value', args[3])
  waiting.writes, waiting.bytes = waiting.writes + 1, waiting.bytes + #args[3]
  write_backlog(backlog, waiting)
  local answer = args[1] .. ' ' .. int(version) .. ' ' .. int(now)
  remember(args, now, answer)
  return {DONE, QUEUED, answer}
end

register('enqueue_write', enqueue_write)
