--[[ fill: stores the value of a record, if the lease that its reader took still stands.
  Each change removes the lease, so a value that was read before a change is not stored after it.
  An empty value only removes the lease.

  KEYS  1 entry  2 holds
  ARGV  1 lease  2 value  3 its lifetime in milliseconds
  Reply 1 done, 0 the lease is gone
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
