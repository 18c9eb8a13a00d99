--[[ What all functions of a library share. Two rules hold for every function:

  Check everything, then write. A Lua error does not undo the writes before it.
  Answer an integer, or an array whose first element is an integer. The client would take certain
  texts at the beginning of a reply for something else.

  `shared::store::function` puts lines before this file: the name of the service, the layout of its
  store, and the limits of `shared::contract::limits` that functions need. ]]

-- The part of an identity that names this service and layout (see `shared::store::open::identity`).
local BELONGS = ' ' .. SERVICE .. ' ' .. LAYOUT .. ' '

-- Why this library must not act on the store; nil for its own store.
local function refusal(identity)
  -- For a key of another type the answer is an error, which is a table.
  if not identity then
    return 'NOIDENTITY this store has lost its data'
  elseif type(identity) ~= 'string' then
    return 'DAMAGED identity has a wrong type'
  elseif not string.find(identity, BELONGS, 1, true) then
    return 'OTHERLAYOUT this store is not one of ' .. SERVICE .. ' with layout ' .. LAYOUT
  end
end

-- The last identity that belonged here. Almost every call finds the same text again, and comparing
-- two equal texts costs next to nothing.
local ours

-- Registers `name` in this library. A store without its identity has lost its data, so every
-- function refuses it: "there is no such product" would refund every order. No function writes into
-- a store of another service or layout: a newer build may have migrated the store while this one
-- was running. Only a function that migrates a store is registered with `any_layout`.
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
      -- In a partitioned store, whose keys have a tag, the last key is there for the cluster (see
      -- `shared::store::function`).
      if string.find(keys[1], '{', 1, true) then
        keys[#keys] = nil
      end
      return callback(keys, args)
    end,
    flags = flags or {},
  }
end

-- Milliseconds since the epoch on the clock of the store. No other clock decides anything.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The format of whole numbers: `%d` is faster, and exact on a server of 64 bits. The first call
-- finds out, because only registration is available while a library is loaded.
local whole_format

-- A whole number as text. Lua itself writes large numbers in exponent form.
local function int(number)
  whole_format = whole_format or string.format('%d', 2^53) == '9007199254740992' and '%d' or '%.0f'
  return string.format(whole_format, number)
end

-- Lua may round a longer number.
local MAX_DIGITS = 15

-- The number that a text of digits says; an error for any other text. Functions call this before
-- they write, because an error later would stop them half-way. `tonumber` would also take `nan`,
-- `-1` and `1e3`.
local function whole(text, what)
  if not text or #text > MAX_DIGITS or not string.find(text, '^%d+$') then
    error(what .. ' is not a whole number')
  end
  return tonumber(text)
end

-- A time as RFC 3339 in UTC. The date is computed after Howard Hinnant, "chrono-compatible
-- low-level date algorithms", civil_from_days.
local function rfc3339(ms)
  local seconds = math.floor(ms / 1000)
  local days = math.floor(seconds / 86400)
  local of_day = seconds - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local leap_days = math.floor(doe / 1460) - math.floor(doe / 36524) + math.floor(doe / 146096)
  local yoe = math.floor((doe - leap_days) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day,
    math.floor(of_day / 3600), math.floor(of_day / 60) % 60, of_day % 60, ms - seconds * 1000)
end

-- The refusal of a function that finds a wrong type at a key of the whole store (not of one order).
local function damaged(key)
  return redis.error_reply('DAMAGED ' .. key .. ' has a wrong type')
end

-- True when `key` is absent or of this type. A write to a key of another type would fail half-way
-- through a function.
local function writable_as(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == 'none' or found == kind
end

-- True when a list of versions with commas between names this one. `*` names every version.
local function names_version(versions, version)
  return versions == '*'
    or string.find(',' .. versions .. ',', ',' .. version .. ',', 1, true) ~= nil
end

-- True when the condition of a client admits this version. Before the exclamation mark stand the
-- versions that the client accepts (nothing: all of them), behind it the versions that it refuses.
-- `shared::store::condition` writes the condition.
local function admits(condition, version)
  local only, excluded = string.match(condition, '^([^!]*)!?(.*)$')
  return (only == '' or names_version(only, version)) and not names_version(excluded, version)
end

-- An amount of money in minor units; nil for any other text. The limit of 10 digits before the
-- point keeps the sum of all amounts of one call below 2^53, so that Lua adds them exactly.
local MAX_MAJOR_DIGITS = 10

local function minor_units(text)
  local major, minor = string.match(text or '', '^(%d+)%.(%d%d)$')
  return major and #major <= MAX_MAJOR_DIGITS and tonumber(major .. minor) or nil
end

-- A longer sum may overflow the 64 bits in which Redis adds.
local MAX_SUM_DIGITS = 18

-- True when an amount can be added to this sum. Redis refuses to add to a number with a leading
-- zero.
local function can_add(account, sum)
  local found = redis.pcall('HGET', account, sum)
  if not found or found == '0' then
    return true
  end
  -- For a key of another type the answer is an error, which is a table.
  return type(found) == 'string' and string.find(found, '^[1-9]%d*$') ~= nil
    and #found <= MAX_SUM_DIGITS
end

local function add(account, sum, minor)
  if minor > 0 then
    redis.call('HINCRBY', account, sum, int(minor))
  end
end

-- The most changes in one entry (as in `shared::live`).
local CHANGES_PER_ENTRY = 16
-- Length of the `changes` stream: at most about 7 MB. A client that reconnects is sent at most
-- 1,000 changes again, so even with one change in each entry this is ten times what it needs.
local ENTRIES_KEPT = 10000

-- Adds a change of these ids to the `changes` stream (see `shared::live`). No order depends on that
-- stream, so a failure to write to it is ignored.
local function announce(changes, kind, ids)
  for first = 1, #ids, CHANGES_PER_ENTRY do
    local told = table.concat(ids, ' ', first, math.min(first + CHANGES_PER_ENTRY - 1, #ids))
    redis.pcall('XADD', changes, 'MAXLEN', '~', ENTRIES_KEPT, '*', 'kind', kind, 'ids', told)
  end
end

-- Claims of idempotency keys lie in one hash for each day. Functions look at today and yesterday,
-- so a claim is kept for 24 to 48 hours. Where both days have no claim of the key, the other days
-- with claims are looked at too: the clock of the store may be days away for a while.
local DAY_MS = 24 * 60 * 60 * 1000
-- The end of the key of the sorted set that lists these days. A function looks at the last
-- `MOST_DAYS` of them.
local DAYS = 'days'
local MOST_DAYS = 8

-- The claim of this key on any day; nil or false if no day has one.
local function find_claim(prefix, hash, today)
  local claim = redis.call('HGET', prefix .. int(today), hash)
    or redis.call('HGET', prefix .. int(today - 1), hash)
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

-- The answer that a claim recorded; nil where the claim is of another request.
local function match_claim(claim, fingerprint)
  local claimed_by, answer = string.match(claim, '^(%S+) (.*)$')
  if claimed_by == fingerprint then
    return answer
  end
end

-- The last three arguments of a function that takes a claim: the prefix of the keys of claims, the
-- hash of the idempotency key (empty when the client sent no key), and the fingerprint of the
-- request. If the key was used before, this is what the function replies: {2, the recorded answer}
-- for the same request, {3} for another request.
local function answered_before(args, now)
  local prefix, hash, fingerprint = args[#args - 2], args[#args - 1], args[#args]
  local claim = hash ~= '' and find_claim(prefix, hash, math.floor(now / DAY_MS))
  if claim then
    local answer = match_claim(claim, fingerprint)
    return answer and {2, answer} or {3}
  end
end

-- Records the answer to the request. `answered_before` has read the set of days, so its key is a
-- sorted set or absent, and the write cannot fail half-way.
local function remember(args, now, answer)
  local prefix, hash, fingerprint = args[#args - 2], args[#args - 1], args[#args]
  if hash ~= '' then
    local today = int(math.floor(now / DAY_MS))
    redis.call('HSET', prefix .. today, hash, fingerprint .. ' ' .. answer)
    redis.call('ZADD', prefix .. DAYS, today, today)
  end
end
