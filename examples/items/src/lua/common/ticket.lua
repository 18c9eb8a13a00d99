--[[ The ticket of a write is the hash `ticket:<id>`:

    version      the number of the write among those of its item
    item         the name of the item
    status       `queued`, `applied` or `failed`
    queued_at    when the write was queued, in ms since the epoch
    entry        the id of its entry in the stream of writes, until the write ends
    value        what is to be written, until the write ends
    ended_at     when the write ended; absent before
    superseded   `1` when a later write of the item was applied before
    reason       why the write failed

  A queued ticket has no TTL: it has the only copy of its value. A ticket gets its TTL when its
  write ends (see `kept.lua`). So a ticket that is missing belongs to a write that has ended. ]]

-- The fields of a ticket. Answers nil for a missing ticket, and `false` for a key of another type.
local function read_ticket(key)
  local found = redis.pcall('HMGET', key, 'status', 'version', 'item', 'value', 'queued_at',
    'entry')
  if found.err then
    return false
  elseif not found[1] then
    return nil
  end
  return {status = found[1], version = found[2], item = found[3], value = found[4],
    queued_at = found[5], entry = found[6]}
end

-- Whether a ticket is the one of this write.
local function is_ticket_of(ticket, item_id, version)
  return ticket.item == item_id and ticket.version == version
end

-- Ends a write. `more` is one more field and its value. The hash is made again, because a hash that
-- had a long value never becomes compact again.
local function end_ticket(key, id, ticket, status, more, kept, changes)
  redis.call('UNLINK', key)
  redis.call('HSET', key, 'version', ticket.version, 'item', ticket.item, 'status', status,
    'ended_at', int(kept.now), more[1], more[2])
  if ticket.queued_at then
    redis.call('HSET', key, 'queued_at', ticket.queued_at)
  end
  redis.call('EXPIRE', key, keep_one(kept))
  announce(changes, 'ticket.' .. status, {id})
end
