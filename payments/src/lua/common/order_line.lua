--[[ An order is one line under `order:<id>`. The line begins with what was placed, which never
  changes:

    quantity price fee total product_id traceparent request_id created_at completes_at

  What happens to the order is written behind it:

    pending     nothing
    cancelled   cancelled <cancelled_at>
    paid        paid <paid_at> <completed_entry>
    refunded    paid <paid_at> <completed_entry> refunded <refunded_at> <reason> <refund_entry>

  One space separates two values. No value is empty or has a space in it. Amounts have two decimals.
  A product id has 36 characters and a traceparent 55. Times are milliseconds since the epoch, with
  13 digits until the year 2286. A line of another shape is damaged: `payments::store` reports it,
  and no function acts on it. This file and `payments/src/store/line.rs` are the only places that
  know the shape of the line. ]]
local AMOUNT = '(%d+)%.(%d%d)'
local ID, TRACE, TIMES, SPACE = 36, 55, 27, 32
local PRICED = '^(%d+) (%d+%.%d%d) (%d+%.%d%d) (' .. AMOUNT .. ') ()'

local PLACED = '^%d+ %d+%.%d%d %d+%.%d%d (%d+%.%d%d) %S+ %S+ %S+ %d+ %d+'
local PAID = PLACED .. ' paid (%d+) %d+%-%d+'
local SHAPES = {
  {'pending', PLACED .. '$'}, {'paid', PAID .. '$'}, {'cancelled', PLACED .. ' cancelled %d+$'},
  {'refunded', PAID .. ' refunded %d+ %S+ %S+$'},
}

-- The status of an order, its total in minor units, and when it was paid; nil for a damaged line.
local function read_order(line)
  for _, shape in ipairs(SHAPES) do
    local total, paid_at = string.match(line, shape[2])
    local cents = total and minor_units(total)
    if cents then
      return shape[1], cents, paid_at
    end
  end
end

-- The end of the line of a new order: both times, each with a space before it.
local function new_times(created, due)
  return ' ' .. int(created) .. ' ' .. int(due)
end

-- When an order was placed and when it is due, as one text: `<created_at> <completes_at>`.
local function times_of(line)
  return string.match(line, '^%S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+ %d+)')
end

-- When a pending order is due, as text.
local function due_of(line)
  return string.match(line, '%d+$')
end

-- Where the times of a pending order begin; nil for any other line.
local function pending_tail(line)
  local tail = #line - TIMES + 1
  return string.find(line, '^%d+ %d+$', tail) and tail
end

-- True when the order is for this quantity, as text, of this product.
local function is_for(line, product_id, quantity)
  local ordered, product = string.match(line, '^(%d+) %S+ %S+ %S+ (%S+)')
  return ordered == quantity and product == product_id
end

local function is_cancelled(line)
  return string.find(line, ' cancelled %d+$') ~= nil
end

-- The line of a pending order once it is cancelled. Times are texts, here and below.
local function as_cancelled(line, at)
  return line .. ' cancelled ' .. at
end

-- The line of a pending order once it is paid and the entry of its event is known.
local function as_paid(line, at, entry)
  return line .. ' paid ' .. at .. ' ' .. entry
end

-- The line of a paid order once it is refunded because of that entry.
local function as_refunded(line, at, reason, entry)
  return line .. ' refunded ' .. at .. ' ' .. reason .. ' ' .. entry
end

-- The line of a paid order with another entry of its event.
local function with_entry(line, entry)
  return (string.gsub(line, '%S+$', entry))
end

-- Where the times of a paid order begin.
local function paid_tail(line)
  return string.match(line, '^.* ()%d+ %d+ paid %d+ %d+%-%d+$')
end

-- Emits order_completed for an order whose times begin at `tail`. Answers the id of the entry and
-- the total in minor units. For a damaged line it emits nothing and answers nil. Each order that is
-- paid is read here. So the line is cut at known lengths, which is far faster than one pattern for
-- all of it.
local function emit_completed(stream, time, id, line, tail)
  local quantity, price, fee, total, major, minor, at = string.match(line, PRICED)
  if not at or #major > MAX_MAJOR_DIGITS then
    return nil
  end
  local trace = at + ID + 1
  local request = trace + TRACE + 1
  if request >= tail - 1 or string.byte(line, trace - 1) ~= SPACE
    or string.byte(line, request - 1) ~= SPACE or string.byte(line, tail - 1) ~= SPACE then
    return nil
  end
  local entry = redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', id .. ':completed', 'ce_source', '/payments',
    'ce_type', 'order.completed.v1', 'ce_time', time,
    'traceparent', string.sub(line, trace, request - 2),
    'request_id', string.sub(line, request, tail - 2),
    'order_id', id, 'product_id', string.sub(line, at, trace - 2),
    'quantity', quantity, 'price', price, 'fee', fee, 'total', total, 'status', 'paid')
  return entry, major * 100 + minor
end

-- The refusal of a function that finds a damaged line under the key of an order.
local function damaged_order(key)
  return redis.error_reply('DAMAGED ' .. key .. ' is not an order')
end
