--[[ apply_writes: apply queued writes in this order. Workers may take the writes of one item in any
  order. A write is applied only if the item has no later one, so the newest write wins. A write
  that has ended changes nothing.

  KEYS  1 identity   2 backlog   3 kept tickets   4 stream of changes
        then for each write: item, ticket
  ARGV  1 most seconds for which a ticket is kept after its end   2 most tickets that are kept
        then for each write, up to 100: ticket id, item id, version
  Reply for each write
        1   applied
        2   a later write of the item was applied before: the item keeps its value
        3   the write ended at an earlier delivery; only tickets of ended writes are removed
        4   the item or the ticket is damaged: nothing was changed ]]
local MAX_BATCH, FIRST_KEY, FIRST_ARG = 100, 5, 3
local APPLIED, SUPERSEDED, BEFORE, DAMAGED = 1, 2, 3, 4

-- The version of an item, 0 for a new one; nil for a damaged item.
local function version_of(item)
  local found = redis.pcall('HGET', item, 'version')
  if not found then
    return 0
  end
  return number_in(found)
end

-- Applies one write. Answers its outcome, and the bytes that leave the backlog.
local function apply(write, kept, changes)
  local ticket = read_ticket(write.ticket)
  if ticket == nil or ticket and ticket.status ~= 'queued' then
    return BEFORE
  end
  local is_whole = ticket and ticket.value and is_ticket_of(ticket, write.item_id, write.version)
  local version = is_whole and version_of(write.item)
  if not version then
    return DAMAGED
  end
  local is_newest = tonumber(write.version) > version
  if is_newest then
    redis.call('HSET', write.item, 'version', write.version, 'value', ticket.value,
      'updated_at', int(kept.now))
  end
  local superseded = {'superseded', is_newest and '0' or '1'}
  end_ticket(write.ticket, write.id, ticket, 'applied', superseded, kept, changes)
  return is_newest and APPLIED or SUPERSEDED, #ticket.value
end

local function apply_writes(keys, args)
  local changes, count = keys[4], (#keys - FIRST_KEY + 1) / 2
  assert(count % 1 == 0 and count >= 1 and count <= MAX_BATCH
    and #args == FIRST_ARG - 1 + 3 * count, 'expected two keys and three arguments for each write')
  local backlog, kept = read_backlog(keys[2]), read_kept(keys[3], now_ms(), args[1], args[2])
  if not backlog then
    return damaged_sums(keys[2])
  elseif not kept then
    return damaged_sums(keys[3])
  end
  local reply = {}
  for n = 1, count do
    local key, arg = FIRST_KEY + 2 * (n - 1), FIRST_ARG + 3 * (n - 1)
    local write = {item = keys[key], ticket = keys[key + 1], id = args[arg],
      item_id = args[arg + 1], version = args[arg + 2]}
    local outcome, ended = apply(write, kept, changes)
    reply[n] = outcome
    if ended then
      backlog.writes, backlog.bytes = backlog.writes - 1, backlog.bytes - ended
    end
  end
  write_backlog(keys[2], backlog)
  return reply
end

register('apply_writes', apply_writes, {'allow-oom'})
