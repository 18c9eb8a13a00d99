--[[ park_entry: set an entry aside that cannot be handled, so that the entries after it flow.
  The caller acknowledges the entry afterwards. A crash in between hands the same entry over again, and parks it once.

  KEYS  1 identity   2 dead_letters stream   3 dead_letter_ids hash: entry id -> dead letter id
  ARGV  1 entry id   then pairs: what is known about the failure (dl_*), followed by the entry's own fields
  Reply 1 parked   0 was parked already ]]
local function park_entry(keys, args)
  local dead_letters, ids = keys[2], keys[3]
  local entry_id = args[1]
  if redis.call('HEXISTS', ids, entry_id) == 1 then
    return 0
  end
  local dead_letter_id = redis.call('XADD', dead_letters, '*', unpack(args, 2))
  redis.call('HSET', ids, entry_id, dead_letter_id)
  return 1
end

register('park_entry', park_entry, {'allow-oom'})
