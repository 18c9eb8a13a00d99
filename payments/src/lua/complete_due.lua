--[[ complete_due: mark orders paid whose delay has elapsed, charge them to the account, and emit order_completed for each.
  A member of `due` is the ids of the orders that were placed in one call, with spaces in between. The keys of the orders are
  made from the ids; they carry the partition tag of the prefix, so they lie in the slot of the declared keys.

  KEYS  1 identity   2 due   3 order_completed stream   4 stream of changes   5 account
  ARGV  1 prefix of order keys   2 how many orders at most, up to 1,000; more only where one call placed more
  Reply {how many were paid, wait until the next is due in ms or -1, how many members were taken off `due`, then the ids of the
        paid orders, and then those that were due without being a pending order}
  Event order_completed for each ]]

-- Lua passes a few thousand values at once, and not one more: ids would be paid and then not taken off the list.
local MAX_BATCH = 1000
-- Members that are read at once.
local PAGE = 10
-- From one id in a member to the next.
local ID_STEP = 37

-- Adds the ids of a member to `ids`. Where they have the length that ids have they are cut out, which is far faster.
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

-- The ids of whole members, about as many as are wanted, and how many members they are.
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

-- Emits the events. Of the rest of the batch nothing is written: of ids that stand for no order, which are damage that
-- somebody has to look at. They are taken off the list as well, or they would keep those behind them from being paid. One
-- that was cancelled is still on the list where it was made due anew.
local function pay_batch(stream, prefix, ids, now)
  local keys = {}
  for i = 1, #ids do
    keys[i] = prefix .. ids[i]
  end
  local lines = redis.call('MGET', unpack(keys))
  local paid, broken, moved, n, charged = {}, {}, {}, 0, 0
  local what, time = ' paid ' .. int(now) .. ' ', rfc3339(now)
  for i, id in ipairs(ids) do
    local line = lines[i]
    local tail = line and pending_tail(line)
    local entry, cents
    if tail then
      entry, cents = emit_completed(stream, time, id, line, tail)
    end
    if entry then
      n = n + 1
      paid[n], moved[2 * n - 1], moved[2 * n] = id, keys[i], line .. what .. entry
      charged = charged + cents
    elseif not (line and string.find(line, ' cancelled %d+$')) then
      broken[#broken + 1] = id
    end
  end
  return paid, broken, moved, charged
end

local function complete_due(keys, args)
  local due, stream, changes, account = keys[2], keys[3], keys[4], keys[5]
  local limit = whole(args[2], 'how many at most')
  assert(limit <= MAX_BATCH, 'too many orders at once')
  local now = now_ms()
  local ids, members = read_due(due, int(now), limit)
  local reply = {0, -1, members}
  if members > 0 then
    if not writable_as(stream, 'stream') then
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
    -- They are the first of the list.
    redis.call('ZREMRANGEBYRANK', due, 0, int(members - 1))
    reply[1] = #paid
    for _, list in ipairs({paid, broken}) do
      for _, id in ipairs(list) do
        reply[#reply + 1] = id
      end
    end
  end
  local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if next_due[2] then
    reply[2] = math.max(0, tonumber(next_due[2]) - now)
  end
  return reply
end

register('complete_due', complete_due, {'allow-oom'})
