--[[ refund_orders: mark paid orders refunded that inventory rejected or released, and give the account back what they cost.
  A duplicate changes nothing. A refund that names another product or quantity than its order is about something else, and
  changes nothing.

  KEYS  1 identity   2 stream of changes   3 account   then the order of each refund, up to 1,000
  ARGV  for each refund: order id, reason, id of the entry that asked for it, product id, quantity
  Reply an integer for each: 1 refunded   2 was refunded before   3 is not paid   4 the order is for another product or
        quantity   0 there is no such order ]]
local REFUNDED, REPEATED, NOT_PAID, OTHER_ORDER, NOT_FOUND = 1, 2, 3, 4, 0
local ARGUMENTS = 5
local FIRST = 4
-- Lua passes a few thousand values at once, and not one more.
local MAX_BATCH = 1000

-- The line, the status and the total of each order, by its key; or what to answer where one of them is none.
local function read_orders(keys)
  local lines, status, cents = {}, {}, {}
  for i, line in ipairs(redis.call('MGET', unpack(keys, FIRST))) do
    local key = keys[FIRST + i - 1]
    if line then
      lines[key] = line
      status[key], cents[key] = read_order(line)
    end
    if line and not status[key] or not line and not writable_as(key, 'string') then
      return nil, nil, nil, no_order(key)
    end
  end
  return lines, status, cents
end

local function is_of(line, product_id, quantity)
  local ordered, product = string.match(line, '^(%d+) %S+ %S+ %S+ (%S+)')
  return ordered == quantity and product == product_id
end

local function refund_orders(keys, args)
  local changes, account = keys[2], keys[3]
  local now = int(now_ms())
  local count = #keys - FIRST + 1
  assert(count >= 1 and count <= MAX_BATCH and #args == ARGUMENTS * count, 'five arguments for each refund')
  local lines, status, cents, broken = read_orders(keys)
  if broken then
    return broken
  elseif not can_add(account, 'refunded') then
    return damaged(account)
  end

  local reply, moved, ids, refunded = {}, {}, {}, 0
  for i = 1, count do
    local order, a = keys[FIRST + i - 1], ARGUMENTS * (i - 1) + 1
    if not status[order] then
      reply[i] = NOT_FOUND
    elseif not is_of(lines[order], args[a + 3], args[a + 4]) then
      reply[i] = OTHER_ORDER
    elseif status[order] == 'refunded' then
      reply[i] = REPEATED
    elseif status[order] ~= 'paid' then
      reply[i] = NOT_PAID
    else
      -- The same order may stand in the batch once more.
      status[order] = 'refunded'
      ids[#ids + 1] = args[a]
      moved[#moved + 1] = order
      moved[#moved + 1] = table.concat({lines[order], 'refunded', now, args[a + 1], args[a + 2]}, ' ')
      refunded = refunded + cents[order]
      reply[i] = REFUNDED
    end
  end
  if #ids > 0 then
    redis.call('MSET', unpack(moved))
    announce(changes, 'order.refunded', ids)
  end
  add(account, 'refunded', refunded)
  return reply
end

register('refund_orders', refund_orders, {'allow-oom'})
