--[[ The outcome of an order is recorded in the hash `applied:<hour>`, by the hour in its id and under the last 30 characters of
  it, which are all of it within an hour. It says

    <ms without the first digit>-<sequence>    the id of the movement by which its stock was taken
    2, 3                                       why none was taken: no such product, not enough stock
    4                                          its stock was taken, and given back

  Both are short because there are as many as orders. The first digit of a time in ms tells apart what is 31 years apart.
  `applied:swept` is the first hour whose records were not swept; a new store begins with 0. No clock is asked whether an order is
  too old: the orders before that hour are, because nobody can tell whether they were applied.

  What was given back of an order stands beside its record, under the same characters and

    :released     the movement whose stock was given back when the order was released
    :<movement>   a movement whose stock was given back because the order had taken more than once; the value says `4` ]]
local BUCKET_MS = 60 * 60 * 1000
-- Records of the last 8 days are never swept (as the lower limit of `DEDUPE_RETENTION`).
local SHORTEST_KEEP_MS = 8 * 24 * 60 * 60 * 1000
local SWEPT = 'swept'
local RELEASED = '4'
-- Where that begins in an id by which its record is found.
local RECORD_FROM = 7
local SHORTENED_BY = 10^12

-- How the movement `entry` is recorded.
local function recorded_as(entry)
  return string.sub(entry, 2)
end

-- Where the movement of a released order is recorded.
local function released_field(record)
  return record .. ':released'
end

-- Where it is recorded that a surplus movement was given back.
local function surplus_field(record, recorded)
  return record .. ':' .. recorded
end

-- The movement that is recorded so in a bucket that begins at `since`; nil where the record names no movement.
local function movement_of(recorded, since)
  local ms, sequence = string.match(recorded, '^(%d+)(%-%d+)$')
  if ms then
    local periods = math.floor((since - tonumber(ms)) / SHORTENED_BY + 0.5)
    return int(tonumber(ms) + periods * SHORTENED_BY) .. sequence
  end
end

-- The newest bucket of an index; nil for an index without buckets.
local function newest_bucket(index)
  local newest = redis.pcall('ZRANGE', index, 0, 0, 'REV')
  return tonumber(newest[1])
end

-- The first bucket that is kept, and whether the store has recorded no order yet. Older builds wrote no marker. They kept at
-- least the buckets of `keep_ms` up to the newest one, and swept from the oldest one on: what the index still names was not swept.
local function first_kept(index, prefix, keep_ms, now)
  local swept = redis.call('GET', prefix .. SWEPT)
  if swept then
    return whole(swept, 'the first bucket that is kept'), false
  end
  local newest = newest_bucket(index)
  if not newest then
    return 0, true
  end
  local oldest = tonumber(redis.call('ZRANGE', index, 0, 0)[1]) or 0
  local counted = math.min(newest, math.floor(now / BUCKET_MS)) - math.ceil(keep_ms / BUCKET_MS)
  return math.max(0, math.min(oldest, counted)), false
end

-- Whether buckets of the last 8 days lie before this one: then a wrong clock chose it.
local function is_too_late(first, now)
  return first * BUCKET_MS > now - SHORTEST_KEEP_MS
end

-- How many pieces the order took by the movement `entry`; nil where that is no sale of this product to it.
local function taken(movements, entry, order_id)
  local found = redis.call('XRANGE', movements, entry, entry)[1]
  local kind, text = unpack(found and found[2] or {})
  local quantity, sold = string.match(text or '', '^%-(%d+) %d+ (%S+)$')
  return kind == 'sale' and sold == order_id and tonumber(quantity) or nil
end
