--[[ release: removes the entry of a record, unless another writer holds it.
  That writer removes the entry later, and until then no reader uses it.

  KEYS  1 entry
  ARGV  1 hold of this writer
  Reply 1 removed, 0 there was no entry, or another writer holds it
]]
local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, 5) == 'hold:' and found ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
