--[[ refund_orders: mark paid orders as refunded that inventory rejected or released, and add
  their totals to the refunded sum of the account. A duplicate changes nothing. A refund that
  names another product or quantity than its order changes nothing either.

  KEYS  1 identity   2 stream of changes   3 account   then the order of each refund, up to 1,000
  ARGV  for each refund: order id, reason, id of the entry that asked for it, product id, quantity
  Reply an integer for each: 1 refunded   2 was refunded before   3 is not paid
        4 the order is for another product or quantity   0 there is no such order ]]
local REFUNDED, REPEATED, NOT_PAID, OTHER_ORDER, NOT_FOUND = 1, 2, 3, 4, 0
local ARGUMENTS = 5
local FIRST = 4
-- `unpack` fails beyond about 8,000 values.
local MAX_BATCH = 1000

-- The line, the status and the total of each order, by its key; or nil and the error for a damaged
-- order.
local function read_orders(keys)
  local orders = {}
  for i, line in ipairs(redis.call('MGET', unpack(keys, FIRST))) do
    local key = keys[FIRST + i - 1]
    if line then
      local status, cents = read_order(line)
      if not status then
        return nil, damaged_order(key)
      end
      orders[key] = {line = line, status = status, cents = cents}
    elseif not writable_as(key, 'string') then
      return nil, damaged_order(key)
    end
  end
  return orders
end

local function outcome_of(order, product_id, quantity)
  if not order then
    return NOT_FOUND
  elseif not is_for(order.line, product_id, quantity) then
    return OTHER_ORDER
  elseif order.status == 'refunded' then
    return REPEATED
  elseif order.status ~= 'paid' then
    return NOT_PAID
  end
  return REFUNDED
end

local function refund_orders(keys, args)
  local changes, account = keys[2], keys[3]
  local now = int(now_ms())
  local count = #keys - FIRST + 1
  assert(count >= 1 and count <= MAX_BATCH and #args == ARGUMENTS * count,
    'expected five arguments for each refund')
  local orders, refused = read_orders(keys)
  if refused then
    return refused
  elseif not can_add(account, 'refunded') then
    return damaged(account)
  end

  local reply, moved, ids, refunded = {}, {}, {}, 0
  for i = 1, count do
    local key, a = keys[FIRST + i - 1], ARGUMENTS * (i - 1) + 1
    local order = orders[key]
    reply[i] = outcome_of(order, args[a + 3], args[a + 4])
    if reply[i] == REFUNDED then
      -- The batch may have a second refund of the same order.
      order.status = 'refunded'
      ids[#ids + 1] = args[a]
      moved[#moved + 1] = key
      moved[#moved + 1] = as_refunded(order.line, now, args[a + 1], args[a + 2])
      refunded = refunded + order.cents
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
