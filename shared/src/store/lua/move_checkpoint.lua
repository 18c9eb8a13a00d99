--[[ move_checkpoint: record the entry up to which a stream was acted on.

  Every library has this function, and `shared::stream::checkpoint` calls it after the effects, in
  the store that has them. So a store that has the checkpoint also has the effects before it.

  KEYS  1 identity   2 checkpoint
  ARGV  1 stream
        2 entry that the caller last saw recorded
        3 entry to record
        4 number of entries that the stream was given up to that entry
        5 oldest entry that is still pending, or the entry to record
        6 least distance, in ms, from the recorded entry back to the earlier entry that is kept
        7 incarnation of the store that the caller saw
        8 `back` to record the entry although a later one is recorded, or `forward`
  Reply 1 the entry or a later one is recorded
        0 the store has recorded an earlier entry than the caller saw, or is in another incarnation.
          It may have lost effects, so what the caller saw of it no longer holds. ]]
local function parts(id)
  return string.match(id, '^(%d+)-(%d+)$')
end

-- Compares numbers as texts: the numbers of an id have up to 20 digits, and Lua is exact up to 15.
local function is_less(a, b)
  return #a < #b or #a == #b and a < b
end

local function is_before(a, b)
  local a_ms, a_sequence = parts(a)
  local b_ms, b_sequence = parts(b)
  return is_less(a_ms, b_ms) or a_ms == b_ms and is_less(a_sequence, b_sequence)
end

-- The digits of a time before its last ten, and the last ten digits. Lua is exact for each half.
local function halves(ms)
  return tonumber(string.sub(ms, 1, -11)) or 0, tonumber(string.sub(ms, -10))
end

-- True when entry `a` is at least `by` ms older than entry `b`.
local function is_older(a, b, by)
  local a_high, a_low = halves((parts(a)))
  local b_high, b_low = halves((parts(b)))
  return (b_high - a_high) * 1e10 + (b_low - a_low) >= by
end

-- True when the server of this store belongs to the incarnation, which is a list of the replication
-- ids of all servers that keep a part of the store.
local function is_in(incarnation)
  local id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
  return id and string.find(incarnation, id, 1, true)
end

local function earliest(a, b)
  return is_before(a, b) and a or b
end

local function move_checkpoint(keys, args)
  local stream, known, entry, count, open = args[1], args[2], args[3], args[4], args[5]
  local distance = whole(args[6], 'how much older an entry has to be')
  assert(#count <= 20 and string.find(count, '^%d+$'), 'malformed number of entries')
  assert(parts(open), 'malformed id of the oldest pending entry')
  local found = redis.call('HGET', keys[2], stream) or '0-0 0 0-0 0-0 0-0'
  local at, still_open, middle, earlier = string.match(found, '^(%S+) %S+ (%S+) (%S+) (%S+)$')
  if is_before(at, known) or not is_in(args[7]) then
    return 0
  elseif is_before(entry, at) and args[8] == 'back' then
    -- An entry that was pending at the last move may still be pending.
    local back = {entry, count, earliest(still_open, open), entry, earliest(earlier, entry)}
    redis.call('HSET', keys[2], stream, table.concat(back, ' '))
    return 1
  elseif not is_before(at, entry) then
    return 1
  end
  -- Of the earlier entries, `earlier` is old enough, and `middle` will be old enough at a later
  -- move.
  if is_older(at, entry, distance) then
    middle, earlier = entry, at
  elseif is_older(middle, entry, distance) then
    middle, earlier = at, middle
  end
  redis.call('HSET', keys[2], stream, table.concat({entry, count, open, middle, earlier}, ' '))
  return 1
end

register('move_checkpoint', move_checkpoint, {'allow-oom'})
