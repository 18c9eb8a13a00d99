--[[ The backlog: the writes that wait for a worker. The hash `backlog` has their number in
  `writes`, and the bytes of their values in `bytes`. The function that queues or ends a write also
  changes the backlog, so both sums are exact. ]]

-- The number that a text of digits says; nil for anything else.
local function number_in(found)
  return type(found) == 'string' and #found <= MAX_DIGITS and string.find(found, '^%d+$')
    and tonumber(found) or nil
end

-- Both sums; nil for a damaged backlog.
local function read_backlog(key)
  local sums = redis.pcall('HMGET', key, 'writes', 'bytes')
  if sums.err then
    return nil
  end
  local writes, bytes = number_in(sums[1] or '0'), number_in(sums[2] or '0')
  if writes and bytes then
    return {writes = writes, bytes = bytes}
  end
end

-- The refusal of a function that finds another type or a wrong number. A worker waits at it. At an
-- error it would give up each write.
local function damaged_sums(key)
  return redis.error_reply('DAMAGED ' .. key .. ' has a wrong type or a wrong number')
end

local function write_backlog(key, backlog)
  redis.call('HSET', key, 'writes', int(math.max(backlog.writes, 0)),
    'bytes', int(math.max(backlog.bytes, 0)))
end
