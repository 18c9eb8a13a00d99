--[[ read_account: the sums that were charged and refunded, and the time at which both sums are
  true, in one step.

  KEYS  1 identity   2 account
  ARGV  none
  Reply {now in ms, charged, refunded}, both sums in minor units as text ]]
local function read_account(keys)
  local sums = redis.call('HMGET', keys[2], 'charged', 'refunded')
  return {now_ms(), sums[1] or '0', sums[2] or '0'}
end

register('read_account', read_account, {'no-writes'})
