--[[ What all functions of a library share. Two rules hold for every function:

  Check everything, then write. A Lua error does not undo the writes before it.
  Answer an integer, or an array led by one. The client would take certain texts in front for something else. ]]

-- Registers `name` in this library's version. A store that has lost its identity has lost its data: every function refuses,
-- because "no such product" would then be a lie that refunds every order.
local function register(name, callback, flags)
  redis.register_function{
    function_name = name .. '_v' .. VERSION,
    callback = function(keys, args)
      if redis.call('EXISTS', keys[1]) == 0 then
        return redis.error_reply('NOIDENTITY this store has lost its data')
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

-- A whole number as text: Lua writes large ones in exponent form otherwise.
local function int(number)
  return string.format('%.0f', number)
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
