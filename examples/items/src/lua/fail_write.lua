--[[ fail_write: end a queued write that cannot be applied. A write that has ended stays as it is.

  KEYS  1 identity   2 ticket   3 backlog   4 kept tickets   5 stream of changes
        6 stream of writes, if the write fails only in case its entry is missing there
  ARGV  1 ticket id   2 item id   3 version   4 why the write failed
        5 most seconds for which a ticket is kept after its end   6 most tickets that are kept
  Reply 1 the write failed now   0 no queued write has this ticket, item and version ]]
local FAILED, NOT_QUEUED = 1, 0

-- Whether a stream has the entry of a write.
local function has_entry(stream, ticket)
  return not ticket.entry or #redis.call('XRANGE', stream, ticket.entry, ticket.entry) > 0
end

local function fail_write(keys, args)
  assert((#keys == 5 or #keys == 6) and #args == 6, 'expected 5 or 6 keys and 6 arguments')
  local ticket, changes = keys[2], keys[5]
  local found = read_ticket(ticket)
  if not found or found.status ~= 'queued' or not is_ticket_of(found, args[2], args[3]) then
    return NOT_QUEUED
  elseif keys[6] and has_entry(keys[6], found) then
    return NOT_QUEUED
  end
  local backlog, kept = read_backlog(keys[3]), read_kept(keys[4], now_ms(), args[5], args[6])
  if not backlog then
    return damaged_sums(keys[3])
  elseif not kept then
    return damaged_sums(keys[4])
  end
  backlog.writes, backlog.bytes = backlog.writes - 1, backlog.bytes - #(found.value or '')
  write_backlog(keys[3], backlog)
  end_ticket(ticket, args[1], found, 'failed', {'reason', args[4]}, kept, changes)
  return FAILED
end

register('fail_write', fail_write, {'allow-oom'})
