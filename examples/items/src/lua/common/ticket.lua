--[[ The ticket of a write is the hash `ticket:<id>`:

    version      the number of the write among those of its item
    item         the name of the item
    status       `queued`, `applied` or `failed`
    queued_at    when the write was queued, in ms since the epoch
    value        what is to be written, until the write ends
    ended_at     when the write ended; absent before
    superseded   `1` when a later write of the item was applied before
    reason       why the write failed

  A queued ticket has no TTL: it has the only copy of its value. A ticket gets its TTL when its
  write ends. So a ticket that is missing belongs to a write that has ended. ]]

-- A ticket that waits, and its status. Answers nil for a missing ticket, and `false` for a key of
-- another type.
local function read_ticket(key)
  local found = redis.pcall('HMGET', key, 'status', 'version', 'item', 'value')
  if found.err then
    return false
  elseif not found[1] then
    return nil
  end
  return {status = found[1], version = found[2], item = found[3], value = found[4]}
end

-- Ends a write. `more` is one more field and its value.
local function end_ticket(key, id, status, more, now, keep, changes)
  redis.call('HSET', key, 'status', status, 'ended_at', int(now), more[1], more[2])
  redis.call('HDEL', key, 'value')
  redis.call('EXPIRE', key, keep)
  announce(changes, 'ticket.' .. status, {id})
end
