--[[ lease: gives a reader the right to store the value of a record, if there is no entry and no
  writer is under way.

  KEYS  1 entry  2 holds
  ARGV  1 lease  2 its lifetime in milliseconds
  Reply 1 taken, 0 refused
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
