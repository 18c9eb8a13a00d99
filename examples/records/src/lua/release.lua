--[[ release: ends a change of a record. Removes the entry again: the hold may
  have been lost, and an old value stored.

  KEYS  1 entry  2 holds
  ARGV  1 hold
  Reply 1
]]
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
