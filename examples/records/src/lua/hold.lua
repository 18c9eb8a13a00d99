--[[ hold: begins a change of a record. Removes its entry, and until the change has ended no reader
  takes a lease. The hold of a writer that dies ends by itself.

  KEYS  1 entry  2 holds
  ARGV  1 hold  2 its lifetime in milliseconds
  Reply 1
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
