--[[ sweep_records: remove the records of orders from hours before the first hour to keep, and
  store that hour. From then on, orders of earlier hours count as too old, because the store
  cannot tell whether they were applied. The function refuses to remove records of the last 8
  days.

  KEYS  1 identity   2 index of record hours
  ARGV  1 prefix of the keys of records   2 the first hour that is kept   3 most hours to remove
  Reply the number of hours that were removed ]]
local MAX_BATCH = 1000

local function sweep_records(keys, args)
  local index, prefix = keys[2], args[1]
  local first, limit = whole(args[2], 'the first hour'), whole(args[3], 'the most hours to remove')
  assert(limit <= MAX_BATCH, 'too many hours in one call')
  if is_too_late(first, now_ms()) then
    return redis.error_reply('CLOCK a sweep would remove records of the last 8 days, so it counted '
      .. 'by a wrong clock')
  end
  local marker = prefix .. SWEPT
  if not writable_as(index, 'zset') then
    return damaged(index)
  elseif not writable_as(marker, 'string') then
    return damaged(marker)
  end
  local kept = redis.call('GET', marker)
  if not kept or whole(kept, 'the first hour that was kept') < first then
    redis.call('SET', marker, int(first))
  end
  local hours = redis.call('ZRANGEBYSCORE', index, '-inf', '(' .. int(first),
    'LIMIT', 0, int(limit))
  for _, hour in ipairs(hours) do
    redis.call('UNLINK', prefix .. hour)
  end
  if #hours > 0 then
    redis.call('ZREM', index, unpack(hours))
  end
  return #hours
end

register('sweep_records', sweep_records, {'allow-oom'})
