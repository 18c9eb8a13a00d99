--[[ set_identity: write the new identity of a store after a migration step, unless another process
  has written one since. Every library has this function. A build that knows fewer layouts may run
  beside a newer one, and must not take the layout back.

  KEYS  1 identity
  ARGV  1 the identity that was read   2 the identity to write
  Reply 1 written   0 the store has another identity than the caller read ]]
local function set_identity(keys, args)
  assert(#keys == 1 and #args == 2, 'expected one key and two arguments')
  if redis.call('GET', keys[1]) ~= args[1] then
    return 0
  end
  redis.call('SET', keys[1], args[2])
  return 1
end

register('set_identity', set_identity, {'allow-oom'}, true)
