--[[ complete_due: mark orders as paid whose delay has elapsed, charge them to the account, and
  emit order_completed for each order. A member of `due` holds the ids of the orders that one call
  placed, separated by spaces. The keys of the orders are made from these ids and the prefix,
  which carries the partition tag. So the keys lie in the slot of the declared keys.

  KEYS  1 identity   2 due   3 order_completed stream   4 stream of changes   5 account
  ARGV  1 prefix of order keys
        2 most orders to pay, up to 1,000; exceeded only by a first member with more ids
  Reply {number of orders paid, wait in ms until the next is due or -1, number of members taken off
        `due`, then the ids of the paid orders, then the ids that were due without a pending order}
  Event order_completed for each ]]

-- `unpack` fails beyond about 8,000 values: events would be emitted for orders that stay pending.
local MAX_BATCH = 1000
-- Members that are read at once.
local PAGE = 10
-- Characters from the beginning of one id in a member to the beginning of the next.
local ID_STEP = 37

-- Adds the ids of a member to `ids`. A member whose length fits is cut at known lengths, which is
-- far faster than a pattern. Any other member is damaged and is added as a whole.
local function add_ids(member, ids)
  local n = #ids
  if (#member + 1) % ID_STEP == 0 then
    for at = 1, #member, ID_STEP do
      n = n + 1
      ids[n] = string.sub(member, at, at + ID_STEP - 2)
    end
  else
    ids[n + 1] = member
  end
end

-- The ids of the first due members, and the number of these members. Members are read whole: up to
-- `limit` ids, or all ids of a first member that has more.
local function read_due(due, now, limit)
  local ids, members = {}, 0
  while true do
    local page = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', members, PAGE)
    for _, member in ipairs(page) do
      local before = #ids
      add_ids(member, ids)
      if #ids > limit and before > 0 or limit == 0 then
        for i = #ids, before + 1, -1 do
          ids[i] = nil
        end
        return ids, members
      end
      members = members + 1
    end
    if #page < PAGE then
      return ids, members
    end
  end
end

-- Emits the events. Answers the ids of the paid orders, the ids without a pending order, the keys
-- and the new lines of the paid orders, and the sum of their totals in minor units. An id without a
-- pending order is damage for an operator to look at. It is taken off the list as well, because
-- otherwise no order behind it would be paid. A cancelled order may be on the list where it was
-- made due anew: it is no damage.
local function pay_batch(stream, prefix, ids, now)
  local keys = {}
  for i = 1, #ids do
    keys[i] = prefix .. ids[i]
  end
  local lines = redis.call('MGET', unpack(keys))
  local paid, broken, moved, n, charged = {}, {}, {}, 0, 0
  local at, time = int(now), rfc3339(now)
  for i, id in ipairs(ids) do
    local line = lines[i]
    local tail = line and pending_tail(line)
    local entry, cents
    if tail then
      entry, cents = emit_completed(stream, time, id, line, tail)
    end
    if entry then
      n = n + 1
      paid[n], moved[2 * n - 1], moved[2 * n] = id, keys[i], as_paid(line, at, entry)
      charged = charged + cents
    elseif not (line and is_cancelled(line)) then
      broken[#broken + 1] = id
    end
  end
  return paid, broken, moved, charged
end

-- Milliseconds until the next order is due; -1 while no order is pending.
local function next_due_in(due, now)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if not first[2] then
    return -1
  end
  return math.max(0, tonumber(first[2]) - now)
end

local function complete_due(keys, args)
  local due, stream, changes, account = keys[2], keys[3], keys[4], keys[5]
  local limit = whole(args[2], 'the most orders to pay')
  assert(limit <= MAX_BATCH, 'too many orders in one call')
  local now = now_ms()
  local ids, members = read_due(due, int(now), limit)
  if members == 0 then
    return {0, next_due_in(due, now), 0}
  elseif not writable_as(stream, 'stream') then
    return damaged(stream)
  elseif not can_add(account, 'charged') then
    return damaged(account)
  end
  local paid, broken, moved, charged = pay_batch(stream, args[1], ids, now)
  if #paid > 0 then
    redis.call('MSET', unpack(moved))
    announce(changes, 'order.paid', paid)
  end
  add(account, 'charged', charged)
  -- The members that were read are the first of the list.
  redis.call('ZREMRANGEBYRANK', due, 0, int(members - 1))
  local reply = {#paid, next_due_in(due, now), members}
  for _, list in ipairs({paid, broken}) do
    for _, id in ipairs(list) do
      reply[#reply + 1] = id
    end
  end
  return reply
end

register('complete_due', complete_due, {'allow-oom'})
