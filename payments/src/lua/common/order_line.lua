--[[ An order is one line under `order:<id>`. It begins with what was placed, and never changes:

    quantity price fee total product_id traceparent request_id created_at completes_at

  and whatever happens to the order is written behind it:

    pending     nothing
    cancelled   cancelled <cancelled_at>
    paid        paid <paid_at> <completed_entry>
    refunded    paid <paid_at> <completed_entry> refunded <refunded_at> <reason> <refund_entry>

  Between two values stands one space; none is empty, and none has a space in it. Amounts have two decimals. Ids of products
  have 36 characters and traceparents 55; times are milliseconds since the epoch, of 13 digits until the year 2286. A line of
  another shape is no order: `payments::store` says so, and no function acts on one. ]]
local AMOUNT = '(%d+)%.(%d%d)'
local ID, TRACE, TIMES, SPACE = 36, 55, 27, 32
local PRICED = '^(%d+) (%d+%.%d%d) (%d+%.%d%d) (' .. AMOUNT .. ') ()'

-- Emits order_completed for an order whose times begin at `tail`. Answers the id of the entry and the total in minor units;
-- nothing, and nothing is emitted, where this is not how an order begins. The line of every order that is paid is read here,
-- so it is cut up by the known lengths, which is far faster than a pattern for all of it.
local function emit_completed(stream, time, id, line, tail)
  local quantity, price, fee, total, major, minor, at = string.match(line, PRICED)
  if not at or #major > MAX_MAJOR_DIGITS then
    return nil
  end
  local trace = at + ID + 1
  local request = trace + TRACE + 1
  if request >= tail - 1 or string.byte(line, trace - 1) ~= SPACE or string.byte(line, request - 1) ~= SPACE
    or string.byte(line, tail - 1) ~= SPACE then
    return nil
  end
  local entry = redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', id .. ':completed', 'ce_source', '/payments',
    'ce_type', 'order.completed.v1', 'ce_time', time, 'traceparent', string.sub(line, trace, request - 2),
    'request_id', string.sub(line, request, tail - 2), 'order_id', id, 'product_id', string.sub(line, at, trace - 2),
    'quantity', quantity, 'price', price, 'fee', fee, 'total', total, 'status', 'paid')
  return entry, major * 100 + minor
end

-- Where the times of a pending order begin; nil where it is none.
local function pending_tail(line)
  local tail = #line - TIMES + 1
  return string.find(line, '^%d+ %d+$', tail) and tail
end

local PLACED = '^%d+ %d+%.%d%d %d+%.%d%d (%d+%.%d%d) %S+ %S+ %S+ %d+ %d+'
local PAID = PLACED .. ' paid (%d+) %d+%-%d+'
local SHAPES = {
  {'pending', PLACED .. '$'}, {'paid', PAID .. '$'}, {'cancelled', PLACED .. ' cancelled %d+$'},
  {'refunded', PAID .. ' refunded %d+ %S+ %S+$'},
}

-- The status of an order, what it costs in all in minor units, and when it was paid; nil where this is no order.
local function read_order(line)
  for _, shape in ipairs(SHAPES) do
    local total, paid_at = string.match(line, shape[2])
    local cents = total and minor_units(total)
    if cents then
      return shape[1], cents, paid_at
    end
  end
end

-- The answer of a function that finds something under the key of an order that is none.
local function no_order(key)
  return redis.error_reply('DAMAGED ' .. key .. ' is no order')
end
