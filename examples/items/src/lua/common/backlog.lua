--[[ The backlog: the writes that wait for a worker. The hash `backlog` has their number in
  `writes`, and the bytes of their values in `bytes`. The function that queues or ends a write also
  changes the backlog, so both sums are exact. ]]

-- Both sums. An error of a wrong type or a wrong number ends the function before it writes.
local function read_backlog(key)
  local sums = redis.call('HMGET', key, 'writes', 'bytes')
  return whole(sums[1] or '0', 'the number of queued writes'),
    whole(sums[2] or '0', 'the bytes of queued values')
end

local function write_backlog(key, writes, bytes)
  redis.call('HSET', key, 'writes', int(math.max(writes, 0)), 'bytes', int(math.max(bytes, 0)))
end
