--[[ place_orders: for each placement claim its idempotency key, write the order and when it is due. Placing an order again under
  the same id changes nothing and answers the same. One that is refused is refused alone.
  The keys of orders and claims are made from the prefixes, which carry the partition tag. The orders that are placed now stand
  in the index by this time, and in `due` by when they are due: one member with their ids, in this order, with spaces in between.

  KEYS  1 identity   2 orders index   3 due   4 stream of changes
  ARGV  1 prefix of order keys   2 prefix of claim keys   3 delay in ms
        then for each placement, up to 500: order id, a UUIDv7   hash of the idempotency key, or nothing
        the claim: `<fingerprint of the request> <order id>`   the line of the order up to its times
  Reply {now in ms, then for each placement: 1 or a text that begins with such a number}
        1                                  placed now, and due after the delay
        `2 <id of the order it placed>`    the key was used for the same request
        3                                  the key was used for another request
        `4 <created at> <due at>` in ms    it was placed before under this id
        5                                  its id is from another day
        6                                  what stands under its id is no order ]]
-- Lua passes a few thousand values at once, and not one more.
local MAX_BATCH = 500
local FIRST, PARTS = 4, 4
local PLACED, SAME_REQUEST, OTHER_REQUEST, PLACED_BEFORE, OTHER_DAY, DAMAGED = 1, '2 ', 3, '4 ', 5, 6
-- The time inside an id lies in its first 12 digits. Those behind the first 8 tell it within about a minute.
local MINUTE_MS = 65536

-- The claims there are of today or, if not, yesterday, by the hashes of their keys.
local function read_claims(args, now)
  local hashes, claims = {}, {}
  for at = FIRST + 1, #args, PARTS do
    if args[at] ~= '' then
      hashes[#hashes + 1] = args[at]
    end
  end
  local today = math.floor(now / DAY_MS)
  for day = today, #hashes == 0 and today + 1 or today - 1, -1 do
    for i, claim in ipairs(redis.call('HMGET', args[2] .. int(day), unpack(hashes))) do
      claims[hashes[i]] = claims[hashes[i]] or claim
    end
  end
  return claims
end

-- What to answer where something stands under the id of an order; nil where nothing does.
local function placed_before(key)
  local line = redis.pcall('GET', key)
  if not line then
    return nil
  end
  local times = type(line) == 'string' and read_order(line) and string.match(line, '^%S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+ %d+)')
  return times and PLACED_BEFORE .. times or DAMAGED
end

local function is_near(ms, now)
  return math.abs(now - ms) <= MAX_SKEW_MS
end

-- What becomes of an order is remembered by the time inside its id, so it must be about right. Ids of a batch begin alike, so
-- the first minute is looked at once.
local function is_of_another_day(id, now, known)
  local minute = string.sub(id, 1, 8)
  if known[minute] == nil then
    local from = (tonumber(minute, 16) or 0) * MINUTE_MS
    known[minute] = is_near(from, now) and is_near(from + MINUTE_MS, now)
  end
  if known[minute] then
    return false
  end
  local high, low = string.match(id, '^(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)%-')
  return not high or not is_near(tonumber(high, 16) * MINUTE_MS + tonumber(low, 16), now)
end

local function used_before(found, claim)
  local fingerprint, answer = string.match(found, '^(%S+) (.*)$')
  return fingerprint == string.match(claim, '^%S+') and SAME_REQUEST .. answer or OTHER_REQUEST
end

-- Decides on each placement, without writing. `look` at the keys of all orders, or only where it matters already.
local function decide(args, now, look)
  local prefix, times = args[1], ' ' .. int(now) .. ' ' .. int(now + whole(args[3], 'the delay'))
  local claims = read_claims(args, now)
  local reply, ids, lines, claimed = {now}, {}, {}, {}
  local fresh, near, n = {}, {}, 0
  for at = FIRST, #args, PARTS do
    local id, hash = args[at], args[at + 1]
    local claim, other_day = claims[hash], is_of_another_day(id, now, near)
    local code = fresh[id]
    if not code and (look or claim or other_day) then
      code = placed_before(prefix .. id) or claim and used_before(claim, args[at + 2]) or other_day and OTHER_DAY
    end
    if not code then
      code, fresh[id], n = PLACED, PLACED, n + 1
      ids[n] = id
      lines[2 * n - 1], lines[2 * n] = prefix .. id, args[at + 3] .. times
      if hash ~= '' then
        claims[hash] = args[at + 2]
        claimed[#claimed + 1] = hash
        claimed[#claimed + 1] = args[at + 2]
      end
    end
    reply[#reply + 1] = code
  end
  return reply, ids, lines, claimed
end

local function place_orders(keys, args)
  local orders, due, changes = keys[2], keys[3], keys[4]
  local count = (#args - FIRST + 1) / PARTS
  assert(#keys == 4 and count % 1 == 0 and count >= 1 and count <= MAX_BATCH, 'four arguments for each placement')
  local now = now_ms()
  local reply, ids, lines, claimed = decide(args, now, false)
  if #ids == 0 then
    return reply
  elseif not writable_as(orders, 'zset') then
    return damaged(orders)
  elseif not writable_as(due, 'zset') then
    return damaged(due)
  end
  -- Ids are new, so nothing is looked for that is never there: it is all written, or none of it where something is.
  if redis.call('MSETNX', unpack(lines)) == 0 then
    reply, ids, lines, claimed = decide(args, now, true)
    if #ids == 0 then
      return reply
    end
    redis.call('MSET', unpack(lines))
  end
  -- One member for all of them costs a fraction of one for each, in time and in memory.
  local together = table.concat(ids, ' ')
  redis.call('ZADD', orders, int(now), together)
  redis.call('ZADD', due, int(now + args[3]), together)
  if #claimed > 0 then
    redis.call('HSET', args[2] .. int(math.floor(now / DAY_MS)), unpack(claimed))
  end
  announce(changes, 'order.created', ids)
  return reply
end

register('place_orders', place_orders)
