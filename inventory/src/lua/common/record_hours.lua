--[[ The index of record hours is a sorted set of the hours that have records, counted from 1970.
  `records:swept` is the first hour whose records were not swept; a new store begins with 0. Orders
  of earlier hours are too old by any clock, because the store cannot tell whether they were
  applied. ]]
local HOUR_MS = 60 * 60 * 1000
local SWEPT = 'swept'

-- The newest hour of an index; nil for an empty index.
local function newest_hour(index)
  local newest = redis.pcall('ZRANGE', index, 0, 0, 'REV')
  return tonumber(newest[1])
end

-- Answers the first hour that is kept, and whether the store has no records yet. A store that has
-- records and no marker has lost its marker. Sweeps keep at least the hours of `keep_ms` before the
-- newest hour, and sweep the oldest hours first. So the hours that the index names were not swept.
local function first_kept(index, prefix, keep_ms, now)
  local swept = redis.call('GET', prefix .. SWEPT)
  if swept then
    return whole(swept, 'the first hour that is kept'), false
  end
  local newest = newest_hour(index)
  if not newest then
    return 0, true
  end
  local oldest = tonumber(redis.call('ZRANGE', index, 0, 0)[1]) or 0
  local counted = math.min(newest, math.floor(now / HOUR_MS)) - math.ceil(keep_ms / HOUR_MS)
  return math.max(0, math.min(oldest, counted)), false
end

-- True when this first hour lies within the last 8 days. Records of the last 8 days are never
-- swept, so a wrong clock chose this hour.
local function is_too_late(first, now)
  return first * HOUR_MS > now - MIN_RECORD_RETENTION_MS
end

-- The last hour in which the store records orders: a day ahead of its clock. The record of an order
-- of a later hour would make all other orders look old. Where the clock is more than a day behind
-- the newest record, the last hour is a day ahead of that record. If an order of the call is of an
-- even later hour, the clock is wrong, and the answer is `false`.
local function last_recorded(index, runs, now)
  local last, furthest = math.floor((now + MAX_SKEW_MS) / HOUR_MS), 0
  for _, run in ipairs(runs) do
    furthest = math.max(furthest, run.hour)
  end
  local newest = furthest > last and newest_hour(index) or 0
  if newest <= last then
    return last
  end
  local known = newest + MAX_SKEW_MS / HOUR_MS
  return furthest <= known and known
end

-- True when an order is of an hour before the first one that is kept.
local function has_old(runs, first)
  for _, run in ipairs(runs) do
    if run.hour < first then
      return true
    end
  end
  return false
end

-- Adds the hours in which this call records orders to the index. Answers false if the index has a
-- wrong type. This is the first write of the call, so the call has written nothing then.
-- `new_marker` is the key of the marker where the store records its first order: no record was
-- swept.
local function index_hours(index, runs, new_marker)
  local hours = {}
  for _, run in ipairs(runs) do
    if run.has_new then
      local hour = int(run.hour)
      hours[#hours + 1], hours[#hours + 2] = hour, hour
    end
  end
  if #hours == 0 then
    return true
  elseif type(redis.pcall('ZADD', index, unpack(hours))) ~= 'number' then
    return false
  elseif new_marker then
    redis.call('SET', new_marker, '0')
  end
  return true
end
