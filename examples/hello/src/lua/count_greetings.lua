--[[ count_greetings: count each greeting whose event was not counted before.

  KEYS  1 identity   2 counts by name   3 ids of the events that were counted
  ARGV  the id of an event and its name, again and again
  Reply number of events, counted now or before ]]
local function count_greetings(keys, args)
  local counts, seen = keys[2], keys[3]
  -- Check everything, then write: a Lua error does not undo the writes before it.
  if not (writable_as(counts, 'hash') and writable_as(seen, 'set')) then
    return damaged(counts)
  end
  for i = 1, #args, 2 do
    -- The count and the id are written in one step, so a copy of the event finds its id.
    if redis.call('SISMEMBER', seen, args[i]) == 0 then
      redis.call('HINCRBY', counts, args[i + 1], 1)
      redis.call('SADD', seen, args[i])
    end
  end
  return #args / 2
end

register('count_greetings', count_greetings)
