--[[ cancel_order: cancel an order that is still pending. Completion and cancellation race for the
  status of an order; the function that runs first wins.

  KEYS  1 identity   2 order   3 due   4 stream of changes
  ARGV  1 order id   2 condition   3, 4, 5 the claim
  Reply {1, 1}             it is cancelled, now or since an earlier call
        {1, 3}             it is paid or refunded; the condition does not matter
        {1, 4}             the condition does not admit its version
        {1, 0}             there is no such order
        {2, order id}      the key was used for the same request, and the order was cancelled
        {3}                the key was used for another request ]]
local DONE, CANCELLED, TOO_LATE, OTHER_VERSION, NOT_FOUND = 1, 1, 3, 4, 0

-- The versions of the orders that may still be cancelled. A version counts the transitions of an
-- order (see `payments::domain`).
local VERSIONS = {pending = '1', cancelled = '2'}

-- The other ids in a member of `due`; nil for a member without `id`.
local function others_in(member, id)
  local others, found = {}, false
  for other in string.gmatch(member, '%S+') do
    if other == id then
      found = true
    else
      others[#others + 1] = other
    end
  end
  return found and others
end

-- Takes an order off the list of what is due. The orders that were placed with it stay on the list.
local function take_off(due, time, id)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', due, time, time)) do
    local others = others_in(member, id)
    if others then
      redis.call('ZREM', due, member)
      if #others > 0 then
        redis.call('ZADD', due, time, table.concat(others, ' '))
      end
      return
    end
  end
end

local function cancel_order(keys, args)
  local order, due, changes = keys[2], keys[3], keys[4]
  local now = now_ms()
  local answered = answered_before(args, now)
  if answered then
    return answered
  end
  local line = redis.call('GET', order)
  if not line then
    return {DONE, NOT_FOUND}
  end
  local status = read_order(line)
  if not status then
    return damaged_order(order)
  elseif not VERSIONS[status] then
    return {DONE, TOO_LATE}
  elseif not admits(args[2], VERSIONS[status]) then
    return {DONE, OTHER_VERSION}
  end
  -- A second cancellation writes nothing: its answer is the same without a claim, and a full store
  -- has no room for claims of calls that had no effect.
  if status == 'pending' then
    take_off(due, due_of(line), args[1])
    redis.call('SET', order, as_cancelled(line, int(now)))
    announce(changes, 'order.cancelled', {args[1]})
    remember(args, now, args[1])
  end
  return {DONE, CANCELLED}
end

register('cancel_order', cancel_order, {'allow-oom'})
