--[[ apply_writes: apply queued writes in this order. Workers may take the writes of one item in any
  order. A write is applied only if the item has no later one, so the newest write wins. A write
  that has ended changes nothing.

  KEYS  1 identity   2 backlog   3 stream of changes   then for each write: item, ticket
  ARGV  1 seconds for which a ticket is kept after its end
        then for each write, up to 100: ticket id, item id, version
  Reply for each write
        1   applied
        2   a later write of the item was applied before: the item keeps its value
        3   the write ended at an earlier delivery
        4   the ticket is gone: the write ended long ago
        5   the item or the ticket is damaged: nothing was changed ]]
local MAX_BATCH, FIRST_KEY, FIRST_ARG = 100, 4, 2
local APPLIED, SUPERSEDED, BEFORE, FORGOTTEN, DAMAGED = 1, 2, 3, 4, 5

-- The version of an item, 0 for a new one; nil for a damaged item.
local function version_of(item)
  local found = redis.pcall('HGET', item, 'version')
  if not found then
    return 0
  end
  return type(found) == 'string' and #found <= MAX_DIGITS and string.find(found, '^%d+$')
    and tonumber(found) or nil
end

-- Applies one write. Answers its outcome, and the bytes that leave the backlog.
local function apply(write, now, keep, changes)
  local ticket = read_ticket(write.ticket)
  if ticket == nil then
    return FORGOTTEN
  elseif ticket and ticket.status ~= 'queued' then
    return BEFORE
  end
  local is_whole = ticket and ticket.value and ticket.item == write.item_id
    and ticket.version == write.version
  local version = is_whole and version_of(write.item)
  if not version then
    return DAMAGED
  end
  local is_newest = tonumber(write.version) > version
  if is_newest then
    redis.call('HSET', write.item, 'version', write.version, 'value', ticket.value,
      'updated_at', int(now))
  end
  local superseded = {'superseded', is_newest and '0' or '1'}
  end_ticket(write.ticket, write.id, 'applied', superseded, now, keep, changes)
  return is_newest and APPLIED or SUPERSEDED, #ticket.value
end

local function apply_writes(keys, args)
  local backlog, changes, count = keys[2], keys[3], (#keys - FIRST_KEY + 1) / 2
  assert(count % 1 == 0 and count >= 1 and count <= MAX_BATCH
    and #args == FIRST_ARG - 1 + 3 * count, 'expected two keys and three arguments for each write')
  if not writable_as(backlog, 'hash') then
    return damaged(backlog)
  end
  local writes, bytes = read_backlog(backlog)
  local keep, now, reply = whole(args[1], 'how long a ticket is kept'), now_ms(), {}
  for n = 1, count do
    local key, arg = FIRST_KEY + 2 * (n - 1), FIRST_ARG + 3 * (n - 1)
    local write = {item = keys[key], ticket = keys[key + 1], id = args[arg],
      item_id = args[arg + 1], version = args[arg + 2]}
    local outcome, ended = apply(write, now, keep, changes)
    reply[n] = outcome
    if ended then
      writes, bytes = writes - 1, bytes - ended
    end
  end
  write_backlog(backlog, writes, bytes)
  return reply
end

register('apply_writes', apply_writes, {'allow-oom'})
