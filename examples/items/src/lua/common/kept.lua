--[[ How long tickets are kept after the end of their writes. The hash `kept_tickets` counts these
  tickets by the time at which the store removes them: a field is a time in ms since the epoch, and
  its value is a number of tickets. A field whose time has passed no longer counts.

  Up to half of the most tickets, each is kept for the longest time. Beyond that, the time falls
  evenly to `SHORTEST_S` at the most tickets. A flood of writes shortens the time, and no write is
  refused for it. ]]
local SHORTEST_S = 60
-- Tickets of one step share a field, so the hash has about this many fields.
local STEPS = 60

-- The tickets that are kept now; nil for a damaged hash. `most` and `longest_s` are arguments of
-- the function.
local function read_kept(key, now, longest_s, most)
  local kept = {key = key, now = now, longest_s = whole(longest_s, 'how long a ticket is kept'),
    most = whole(most, 'the most tickets'), count = 0, fields = {}, past = {}}
  local found = redis.pcall('HGETALL', key)
  if found.err then
    return nil
  end
  for n = 1, #found, 2 do
    local till, count = number_in(found[n]), number_in(found[n + 1])
    if not till or not count then
      return nil
    elseif till <= now then
      table.insert(kept.past, found[n])
    else
      kept.fields[found[n]] = count
      kept.count = kept.count + count
    end
  end
  return kept
end

-- Counts one more ticket. Answers for how many seconds it is kept.
local function keep_one(kept)
  local free = math.max(1 - kept.count / kept.most, 0)
  local seconds = math.max(math.floor(kept.longest_s * math.min(2 * free, 1)), SHORTEST_S)
  local step = math.ceil(kept.longest_s * 1000 / STEPS)
  local till = int(math.ceil((kept.now + seconds * 1000) / step) * step)
  kept.count, kept.fields[till] = kept.count + 1, (kept.fields[till] or 0) + 1
  redis.call('HSET', kept.key, till, int(kept.fields[till]))
  if #kept.past > 0 then
    redis.call('HDEL', kept.key, unpack(kept.past))
    kept.past = {}
  end
  return seconds
end
