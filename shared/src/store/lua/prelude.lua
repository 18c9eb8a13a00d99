--[[ What all functions of a library share. Two rules hold for every function:

  Check everything, then write. A Lua error does not undo the writes before it.
  Answer an integer, or an array led by one. The client would take certain texts in front for something else. ]]

-- What stands in the identity of a store that this library is for (see `shared::store::open::identity`).
local BELONGS = ' ' .. SERVICE .. ' ' .. LAYOUT .. ' '

-- The refusal of a store that this library must not act on; nil for its own.
local function refusal(identity)
  -- Of a key of another type this is an error, which is a table.
  if not identity then
    return 'NOIDENTITY this store has lost its data'
  elseif type(identity) ~= 'string' then
    return 'DAMAGED identity has a wrong type'
  elseif not string.find(identity, BELONGS, 1, true) then
    return 'OTHERLAYOUT this store is not one of ' .. SERVICE .. ' with layout ' .. LAYOUT
  end
end

-- The identity that was found to be ours last. It is the same text almost always, and comparing two texts costs next to nothing.
local ours

-- Registers `name` in this library. A store that has lost its identity has lost its data: every function refuses, because
-- "no such product" would then be a lie that refunds every order. And nothing is written into a store of another service, or of
-- another layout: a newer build may have migrated it while this one was running. Only what migrates a store acts on `any_layout`.
local function register(name, callback, flags, any_layout)
  redis.register_function{
    function_name = name .. '_' .. BUILD,
    callback = function(keys, args)
      local identity = redis.pcall('GET', keys[1])
      if identity ~= ours then
        local refused = refusal(identity)
        if not refused then
          ours = identity
        elseif not (any_layout and type(identity) == 'string') then
          return redis.error_reply(refused)
        end
      end
      -- In a partitioned store, which is told by its tag, the last key is there for the cluster (see `shared::store::function`).
      if string.find(keys[1], '{', 1, true) then
        keys[#keys] = nil
      end
      return callback(keys, args)
    end,
    flags = flags or {},
  }
end

-- Milliseconds since the epoch on the clock of the store, the only clock that decides anything.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- How far the time inside an id may be from the time of the store (as `shared::contract::time::MAX_SKEW`).
local MAX_SKEW_MS = 24 * 60 * 60 * 1000

-- How a whole number is written: `%d` is the faster way, and exact on a server of 64 bits. Found out in the first call, because
-- nothing but registration is there while a library is loaded.
local whole_format

-- A whole number as text: Lua writes large ones in exponent form otherwise.
local function int(number)
  whole_format = whole_format or string.format('%d', 2^53) == '9007199254740992' and '%d' or '%.0f'
  return string.format(whole_format, number)
end

-- A longer number may be one that is not exact in Lua.
local MAX_DIGITS = 15

-- The whole number, not below zero, that a text says in digits; an error for anything else. A function asks before it writes:
-- `tonumber` also takes `nan`, `-1` and `1e3`, and what is no number at all would stop the function half-way.
local function whole(text, what)
  if not text or #text > MAX_DIGITS or not string.find(text, '^%d+$') then
    error(what .. ' is no whole number')
  end
  return tonumber(text)
end

-- RFC 3339 in UTC. Days to civil date after Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
local function rfc3339(ms)
  local seconds = math.floor(ms / 1000)
  local days = math.floor(seconds / 86400)
  local of_day = seconds - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day,
    math.floor(of_day / 3600), math.floor(of_day / 60) % 60, of_day % 60, ms - seconds * 1000)
end

-- The answer of a function that finds a key of the whole store, not of one order, in a state that it cannot have written.
local function damaged(key)
  return redis.error_reply('DAMAGED ' .. key .. ' has a wrong type')
end

-- True when `key` is absent or of this type. A write to a key of another type would fail half-way through a function.
local function writable_as(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == 'none' or found == kind
end

-- True when versions, between commas, name this one; `*` names every one, and an empty text none.
local function names_version(versions, version)
  return versions == '*' or string.find(',' .. versions .. ',', ',' .. version .. ',', 1, true) ~= nil
end

-- True when the condition of a client admits this version: the versions it must have one of (empty where it need not), and behind
-- an exclamation mark those it must not have.
local function admits(condition, version)
  local only, excluded = string.match(condition, '^([^!]*)!?(.*)$')
  return (only == '' or names_version(only, version)) and not names_version(excluded, version)
end

-- These fields of a hash by their names; nil when it does not have the first.
local function read_fields(key, fields)
  local found, values = {}, redis.call('HMGET', key, unpack(fields))
  if not values[1] then
    return nil
  end
  for i, field in ipairs(fields) do
    found[field] = assert(values[i], 'a field of a record is missing')
  end
  return found
end

-- These fields in one line, to be answered or remembered. Only the last one may have spaces in it.
local function line(found, fields)
  local values = {}
  for i, field in ipairs(fields) do
    values[i] = found[field]
  end
  return table.concat(values, ' ')
end

-- An amount of money in minor units; nil where the text is none. Below 10^13, so that even the sum of all that one call is
-- about is a whole number below 2^53, and exact. Lua adds such sums and does nothing else with money.
local MAX_MAJOR_DIGITS = 10

local function minor_units(text)
  local major, minor = string.match(text or '', '^(%d+)%.(%d%d)$')
  return major and #major <= MAX_MAJOR_DIGITS and tonumber(major .. minor) or nil
end

-- A sum that is longer may be one that Redis cannot add to.
local MAX_SUM_DIGITS = 18

-- True when something can be added to this sum. Redis adds, to all 64 bits, and takes no zero in front.
local function can_add(account, sum)
  -- Of a key of another type this is an error, which is a table.
  local found = redis.pcall('HGET', account, sum)
  return not found or found == '0'
    or type(found) == 'string' and string.find(found, '^[1-9]%d*$') ~= nil and #found <= MAX_SUM_DIGITS
end

local function add(account, sum, minor)
  if minor > 0 then
    redis.call('HINCRBY', account, sum, int(minor))
  end
end

-- Changes that one entry tells at most (as in `shared::live`).
local CHANGES_PER_ENTRY = 16
-- Entries that are kept for a client that was cut off: in about 7 MB where all of them are full, ten times as many changes as it
-- is told again where none has more than one.
local ENTRIES_KEPT = 10000

-- Tells whoever watches what became of these ids (see `shared::live`); one call is one step. Nothing depends on it: a stream of
-- changes that cannot be written to keeps nobody from an order.
local function announce(changes, kind, ids)
  for first = 1, #ids, CHANGES_PER_ENTRY do
    local told = table.concat(ids, ' ', first, math.min(first + CHANGES_PER_ENTRY - 1, #ids))
    redis.pcall('XADD', changes, 'MAXLEN', '~', ENTRIES_KEPT, '*', 'kind', kind, 'ids', told)
  end
end

-- Claims of idempotency keys lie in one hash for each day. Today and yesterday are looked at, so a claim is kept for 24 to 48
-- hours. Where both have none, the other days with claims are looked at too: the clock of the store may be days away for a while.
local DAY_MS = 24 * 60 * 60 * 1000
-- The sorted set of these days, behind what the keys of claims begin with. So many are looked at, from the last one on.
local DAYS = 'days'
local MOST_DAYS = 8

-- The claim of this key, on whatever day.
local function find_claim(prefix, hash, today)
  local claim = redis.call('HGET', prefix .. int(today), hash) or redis.call('HGET', prefix .. int(today - 1), hash)
  if claim then
    return claim
  end
  for _, day in ipairs(redis.call('ZRANGE', prefix .. DAYS, 0, MOST_DAYS - 1, 'REV')) do
    local far = day ~= int(today) and day ~= int(today - 1)
    claim = far and redis.call('HGET', prefix .. day, hash)
    if claim then
      return claim
    end
  end
end

-- The last three arguments of a function that takes a claim: what the keys of claims begin with, the hash of the
-- idempotency key (empty when the client sent none), and the fingerprint of the request.
-- Answers what the function has to reply when the key was used before: {2, the answer of then} or {3}.
local function replay(args, now)
  local prefix, hash, fingerprint = args[#args - 2], args[#args - 1], args[#args]
  local claim = hash ~= '' and find_claim(prefix, hash, math.floor(now / DAY_MS))
  if claim then
    local claimed_fingerprint, answer = string.match(claim, '^(%S+) (.*)$')
    return claimed_fingerprint == fingerprint and {2, answer} or {3}
  end
end

-- Writes down what the request was answered. `replay` has read the days, so they are a sorted set or nothing.
local function remember(args, now, answer)
  local prefix, hash, fingerprint = args[#args - 2], args[#args - 1], args[#args]
  if hash ~= '' then
    local today = int(math.floor(now / DAY_MS))
    redis.call('HSET', prefix .. today, hash, fingerprint .. ' ' .. answer)
    redis.call('ZADD', prefix .. DAYS, today, today)
  end
end
