--[[ fail_write: end a queued write that cannot be applied. A write that has ended stays as it is.

  KEYS  1 identity   2 ticket   3 backlog   4 stream of changes
  ARGV  1 ticket id   2 why the write failed   3 seconds for which the ticket is kept
  Reply 1 the write failed now   0 no queued write has this ticket ]]
local FAILED, NOT_QUEUED = 1, 0

local function fail_write(keys, args)
  assert(#keys == 4 and #args == 3, 'expected four keys and three arguments')
  local ticket, backlog, changes = keys[2], keys[3], keys[4]
  local keep, now = whole(args[3], 'how long a ticket is kept'), now_ms()
  local found = read_ticket(ticket)
  if not found or found.status ~= 'queued' then
    return NOT_QUEUED
  elseif not writable_as(backlog, 'hash') then
    return damaged(backlog)
  end
  local writes, bytes = read_backlog(backlog)
  write_backlog(backlog, writes - 1, bytes - #(found.value or ''))
  end_ticket(ticket, args[1], 'failed', {'reason', args[2]}, now, keep, changes)
  return FAILED
end

register('fail_write', fail_write, {'allow-oom'})
