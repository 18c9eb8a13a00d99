--[[ sweep_applied: remove the records of orders of hours long ago, and remember up to which hour that was done. From then on
  the orders of these hours count as too old: nobody can tell whether they were applied. Records of the last 8 days stay.

  KEYS  1 identity   2 index of record buckets
  ARGV  1 what the keys of record buckets begin with   2 the first bucket that is kept   3 how many are removed at most
  Reply how many buckets were removed ]]
local MAX_BATCH = 1000

local function sweep_applied(keys, args)
  local index, prefix = keys[2], args[1]
  local first, limit = whole(args[2], 'the first bucket'), whole(args[3], 'how many at most')
  assert(limit <= MAX_BATCH, 'too many buckets at once')
  if is_too_late(first, now_ms()) then
    return redis.error_reply('CLOCK a sweep would remove records of the last 8 days, so it counted by a wrong clock')
  end
  local marker = prefix .. SWEPT
  if not writable_as(index, 'zset') then
    return damaged(index)
  elseif not writable_as(marker, 'string') then
    return damaged(marker)
  end
  local kept = redis.call('GET', marker)
  if not kept or whole(kept, 'the first bucket that was kept') < first then
    redis.call('SET', marker, int(first))
  end
  local buckets = redis.call('ZRANGEBYSCORE', index, '-inf', '(' .. int(first), 'LIMIT', 0, int(limit))
  for _, bucket in ipairs(buckets) do
    redis.call('UNLINK', prefix .. bucket)
  end
  if #buckets > 0 then
    redis.call('ZREM', index, unpack(buckets))
  end
  return #buckets
end

register('sweep_applied', sweep_applied, {'allow-oom'})
