--[[ place_orders: for each placement claim its idempotency key, write the order, and list when
  the order is due. Placing an order again under the same id changes nothing and answers the same.
  A placement that is refused does not stop the other placements. The keys of orders and claims
  are made from the prefixes, which carry the partition tag. The orders that one call places share
  one member of the index and one member of `due`: their ids, separated by spaces. The score in
  the index is the time of the call; the score in `due` is the time at which the orders are due.

  KEYS  1 identity   2 orders index   3 due   4 stream of changes
  ARGV  1 prefix of order keys   2 prefix of claim keys   3 delay in ms
        then for each placement, up to 500: order id, a UUIDv7
        hash of the idempotency key; empty when the client sent none
        the claim: `<fingerprint of the request> <order id>`; empty without a key
        the line of the order up to its times
  Reply {now in ms, then for each placement a number, or a text that begins with
        a number}
        1                                  placed now, and due after the delay
        `2 <id of the order it placed>`    the key was used for the same request
        3                                  the key was used for another request
        `4 <created at> <due at>` in ms    it was placed before under this id
        5                                  the time inside its id is more than a day away
        6                                  the line under its id is damaged ]]
-- `unpack` fails beyond about 8,000 values.
local MAX_BATCH = 500
local FIRST, PARTS = 4, 4
local PLACED, SAME_REQUEST, OTHER_REQUEST = 1, '2 ', 3
local PLACED_BEFORE, OTHER_DAY, DAMAGED = '4 ', 5, 6
-- The time inside an id lies in its first 12 digits. The first 8 digits tell the time to within
-- about a minute.
local MINUTE_MS = 65536

-- The claims of today or, without one, of yesterday, by the hashes of their keys.
local function read_claims(args, now)
  local hashes, claims = {}, {}
  for at = FIRST + 1, #args, PARTS do
    if args[at] ~= '' then
      hashes[#hashes + 1] = args[at]
    end
  end
  if #hashes == 0 then
    return claims
  end
  local today = math.floor(now / DAY_MS)
  for day = today, today - 1, -1 do
    for i, claim in ipairs(redis.call('HMGET', args[2] .. int(day), unpack(hashes))) do
      claims[hashes[i]] = claims[hashes[i]] or claim
    end
  end
  return claims
end

-- The answer where the key of the order exists; nil where it does not.
local function placed_before(key)
  -- For a key of another type the answer is an error, which is a table.
  local line = redis.pcall('GET', key)
  if not line then
    return nil
  elseif type(line) ~= 'string' or not read_order(line) then
    return DAMAGED
  end
  return PLACED_BEFORE .. times_of(line)
end

local function is_near(ms, now)
  return math.abs(now - ms) <= MAX_SKEW_MS
end

-- True when the time inside an id is more than a day away. inventory keeps the record of an order
-- by that time, so it has to be about right. The ids of a batch begin alike, so `minutes_near`
-- remembers the answer for each minute.
local function is_of_another_day(id, now, minutes_near)
  local minute = string.sub(id, 1, 8)
  if minutes_near[minute] == nil then
    local from = (tonumber(minute, 16) or 0) * MINUTE_MS
    minutes_near[minute] = is_near(from, now) and is_near(from + MINUTE_MS, now)
  end
  if minutes_near[minute] then
    return false
  end
  local high, low = string.match(id, '^(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)%-')
  return not high or not is_near(tonumber(high, 16) * MINUTE_MS + tonumber(low, 16), now)
end

-- The answer where the idempotency key was used before.
local function used_before(found, claim)
  local answer = match_claim(found, string.match(claim, '^%S+'))
  if answer then
    return SAME_REQUEST .. answer
  end
  return OTHER_REQUEST
end

-- The answer for a placement that is not placed now; nil where the function may place the order.
-- Ids are new, so the key of an order is read only for a used idempotency key, for an id of another
-- day, and where `check_all` says so.
local function refusal_of(args, at, claim, now, check_all, minutes_near)
  local id = args[at]
  local other_day = is_of_another_day(id, now, minutes_near)
  if not (check_all or claim or other_day) then
    return nil
  end
  local before = placed_before(args[1] .. id)
  if before then
    return before
  elseif claim then
    return used_before(claim, args[at + 2])
  end
  return other_day and OTHER_DAY or nil
end

-- Decides on each placement, and writes nothing. Answers the replies, the ids that are placed now,
-- their keys and lines for MSET, and their claims for HSET.
local function decide(args, now, check_all)
  local prefix, times = args[1], new_times(now, now + whole(args[3], 'the delay'))
  local claims, minutes_near, placed_here = read_claims(args, now), {}, {}
  local reply, ids, lines, claimed, n = {now}, {}, {}, {}, 0
  for at = FIRST, #args, PARTS do
    local id, hash, code = args[at], args[at + 1], PLACED
    if not placed_here[id] then
      code = refusal_of(args, at, claims[hash], now, check_all, minutes_near)
      if not code then
        code, placed_here[id], n = PLACED, true, n + 1
        ids[n] = id
        lines[2 * n - 1], lines[2 * n] = prefix .. id, args[at + 3] .. times
        if hash ~= '' then
          claims[hash] = args[at + 2]
          claimed[#claimed + 1] = hash
          claimed[#claimed + 1] = args[at + 2]
        end
      end
    end
    reply[#reply + 1] = code
  end
  return reply, ids, lines, claimed
end

-- Adds the orders to the index and to `due`, and writes their claims. One member for all orders
-- costs a fraction of one member for each order, in time and in memory.
local function list_placed(keys, args, now, ids, claimed)
  local together = table.concat(ids, ' ')
  redis.call('ZADD', keys[2], int(now), together)
  redis.call('ZADD', keys[3], int(now + args[3]), together)
  if #claimed > 0 then
    redis.call('HSET', args[2] .. int(math.floor(now / DAY_MS)), unpack(claimed))
  end
  announce(keys[4], 'order.created', ids)
end

local function place_orders(keys, args)
  local orders, due = keys[2], keys[3]
  local count = (#args - FIRST + 1) / PARTS
  assert(#keys == 4 and count % 1 == 0 and count >= 1 and count <= MAX_BATCH,
    'expected four arguments for each placement')
  local now = now_ms()
  local reply, ids, lines, claimed = decide(args, now, false)
  if #ids == 0 then
    return reply
  elseif not writable_as(orders, 'zset') then
    return damaged(orders)
  elseif not writable_as(due, 'zset') then
    return damaged(due)
  end
  -- Ids are new, so no key is read first: MSETNX writes all lines, or no line where a key exists.
  if redis.call('MSETNX', unpack(lines)) == 0 then
    reply, ids, lines, claimed = decide(args, now, true)
    if #ids == 0 then
      return reply
    end
    redis.call('MSET', unpack(lines))
  end
  list_placed(keys, args, now, ids, claimed)
  return reply
end

register('place_orders', place_orders)
