--[[ apply_orders: take the stock of paid orders, or ask payments to refund the orders. The
  function records the outcome of each order in the same step. A duplicate event changes no stock.
  The function repeats the recorded outcome with its refund, because a store that emits an event
  again may have lost the refund too. The keys of products, movements and records are made from
  prefixes, which carry the partition tag.

  KEYS  1 identity   2 refund_order stream   3 index of record hours   4 stream of changes
  ARGV  1 how long records and movements are kept, in ms; where the store was swept, records begin
        at the first hour that the sweep kept
        2, 3, 4 the prefixes of the keys of products, movements and records
        then lists in JSON, about up to 1,000 orders:
        5 product ids
        6 for each run (orders in a row whose ids are of one hour and have the same beginning): the
        hour, the number of orders, that beginning
        7 for each order the rest of its id, the last 30 characters
        8 for each order the number of its product in 5, from 1, and its quantity
        9 for each order its traceparent and its request id
  Reply an integer for each order:
        1 applied   2 rejected: no such product   3 rejected: not enough stock
        4, 5, 6 the same outcomes, recorded before   7 older than all records that are kept
        8 the time inside its id is more than a day ahead of the store
        9 its stock was taken and given back before
  Event refund_order for 2, 3, 5, 6 and 9 ]]
local APPLIED, NO_PRODUCT, NO_STOCK, REPEATED, TOO_OLD, TOO_NEW, GIVEN_BACK = 1, 2, 3, 3, 7, 8, 9
-- Why an order is refunded, by its outcome. A repeated outcome repeats the refund.
local REASONS = {
  [NO_PRODUCT] = 'product_not_found', [REPEATED + NO_PRODUCT] = 'product_not_found',
  [NO_STOCK] = 'insufficient_stock', [REPEATED + NO_STOCK] = 'insufficient_stock',
  [GIVEN_BACK] = 'released',
}
-- `unpack` fails beyond about 8,000 values.
local MAX_BATCH = 1000
-- The function trims the movements of a product at every 50th version. To trim more often would be
-- no use, because Redis removes only whole blocks of up to 100 entries.
local TRIM_EVERY = 50
local LARGEST = 10^MAX_DIGITS

local function is_whole(number)
  return type(number) == 'number' and number >= 0 and number < LARGEST and number % 1 == 0
end

-- The runs of orders with what is recorded of their orders, and the number of all orders. Runs of
-- one hour share `seen`, which has the outcomes that this call records.
local function read_runs(args, records)
  local total, runs, seen = 0, {}, {}
  for i, run in ipairs(cjson.decode(args[6])) do
    local hour, count, head = run[1], run[2], run[3]
    assert(is_whole(hour) and is_whole(count) and count > 0 and type(head) == 'string',
      'malformed run')
    local last = total + count
    assert(last <= #records and #records <= MAX_BATCH, 'the runs are of another number of orders')
    local key = args[4] .. int(hour)
    seen[key] = seen[key] or {}
    runs[i] = {hour = hour, key = key, head = head, seen = seen[key], before = total, last = last,
      found = redis.call('HMGET', key, unpack(records, total + 1, last))}
    total = last
  end
  assert(total > 0 and total == #records, 'the runs are of another number of orders')
  return runs, total
end

-- The product in a line; `false` for a tombstone.
local function read_stock(line, id, key, movements)
  local version, quantity, rest = string.match(line, STOCK)
  if version and #version <= MAX_DIGITS and #quantity <= MAX_DIGITS then
    return {id = id, key = key, movements = movements, rest = rest, is_sold = false,
      version = tonumber(version), on_hand = tonumber(quantity)}
  end
  assert(string.find(line, TOMBSTONE), 'malformed product')
  return false
end

-- The products by their numbers; `false` for a product that does not exist. A damaged product is an
-- error, because its orders must not be refunded.
local function read_products(args, ids)
  local keys, streams, products, known, count = {}, {'STREAMS'}, {}, {}, #ids
  assert(count <= MAX_BATCH, 'too many products')
  for i, id in ipairs(ids) do
    keys[i], streams[1 + i], streams[1 + count + i] = args[2] .. id, args[3] .. id, '$'
  end
  local lines = redis.call('MGET', unpack(keys))
  -- This reads nothing, and fails where a key of movements has another type.
  redis.call('XREAD', unpack(streams))
  for i, id in ipairs(ids) do
    local product = known[id]
    if product == nil then
      -- MGET finds nothing under a key of another type. GET fails there.
      local line = lines[i] or redis.call('GET', keys[i])
      product = line and read_stock(line, id, keys[i], streams[1 + i])
      known[id] = product
    end
    products[i] = product
  end
  return products
end

-- The traceparent and the request id of an order. Most orders need neither, so the list is decoded
-- only here.
local function origin_of(batch, i)
  batch.origins = batch.origins or cjson.decode(batch.origins_text)
  local traceparent, request_id = unpack(batch.origins, 2 * i - 1, 2 * i)
  assert(type(traceparent) == 'string' and type(request_id) == 'string',
    'malformed traceparent or request id')
  return traceparent, request_id
end

local function add_refund(batch, i, head, reason)
  local traceparent, request_id = origin_of(batch, i)
  local refunds, product_id = batch.refunds, batch.ids[batch.orders[2 * i - 1]]
  refunds[#refunds + 1] = {
    order_id = head .. batch.records[i], product_id = product_id,
    quantity = int(batch.orders[2 * i]), reason = reason,
    traceparent = traceparent, request_id = request_id,
  }
end

-- Takes the stock of one order off the product in memory, and keeps the text of its movement.
-- Writes nothing to the store.
local function add_sale(batch, i, product, quantity, head)
  local deltas = batch.deltas
  local left, version = product.on_hand - quantity, product.version + 1
  product.on_hand, product.version, product.is_sold = left, version, true
  if version % TRIM_EVERY == 0 then
    batch.trims[i] = true
  end
  deltas[quantity] = deltas[quantity] or int(0 - quantity) .. ' '
  batch.sales[i] = deltas[quantity] .. int(left) .. ' ' .. head .. batch.records[i]
end

local function decide_new(product, quantity)
  if not product then
    return NO_PRODUCT
  elseif product.on_hand < quantity then
    return NO_STOCK
  end
  return APPLIED
end

-- The outcome of an order that is on record.
local function decide_again(recorded)
  if recorded == RELEASED then
    return GIVEN_BACK
  end
  return REPEATED + (tonumber(recorded) or APPLIED)
end

-- Decides on the orders of one run, one after the other, and writes nothing. A damaged number is an
-- error here, while no order of the call has had an effect yet.
local function decide(batch, run, first, last)
  local records, orders, products, reply = batch.records, batch.orders, batch.products, batch.reply
  local seen, found, before, head = run.seen, run.found, run.before, run.head
  local is_old, is_new = run.hour < first, run.hour > last
  for i = before + 1, run.last do
    local record, product, quantity = records[i], products[orders[2 * i - 1]], orders[2 * i]
    assert(product ~= nil and is_whole(quantity), 'malformed order')
    local recorded, outcome = seen[record] or found[i - before], nil
    if is_old then
      outcome = TOO_OLD
    elseif recorded then
      outcome = decide_again(recorded)
    elseif is_new then
      outcome = TOO_NEW
    else
      outcome = decide_new(product, quantity)
      seen[record], run.has_new = outcome, true
    end
    local reason = REASONS[outcome]
    if outcome == APPLIED then
      add_sale(batch, i, product, quantity, head)
    elseif reason then
      add_refund(batch, i, head, reason)
    end
    reply[i] = outcome
  end
end

-- Records the new outcomes of one run, and writes the movements of its sales.
local function record_run(batch, run, since)
  local call, records, orders, products = redis.call, batch.records, batch.orders, batch.products
  local rows, n = {}, 0
  for i = run.before + 1, run.last do
    local outcome = batch.reply[i]
    if outcome == APPLIED then
      local movements, entry = products[orders[2 * i - 1]].movements, nil
      if batch.trims[i] then
        entry = call('XADD', movements, 'MINID', '~', since, '*', 'sale', batch.sales[i])
      else
        entry = call('XADD', movements, '*', 'sale', batch.sales[i])
      end
      rows[n + 1], rows[n + 2], n = records[i], recorded_as(entry), n + 2
    elseif outcome <= NO_STOCK then
      rows[n + 1], rows[n + 2], n = records[i], outcome, n + 2
    end
  end
  call('HSET', run.key, unpack(rows))
end

-- Writes each product that was sold, once for all orders of the call.
local function write_products(products, now, changes)
  local lines, ids, n = {}, {}, 0
  for _, product in ipairs(products) do
    if product and product.is_sold then
      n = n + 1
      lines[2 * n - 1], ids[n] = product.key, product.id
      lines[2 * n] = int(product.version) .. ' ' .. int(product.on_hand) .. now .. product.rest
      -- The list may have the same product again.
      product.is_sold = false
    end
  end
  if n > 0 then
    redis.call('MSET', unpack(lines))
    announce(changes, 'product.stock_changed', ids)
  end
end

-- The error for all orders of the call: the clock of the store is wrong, or was wrong during a
-- sweep. nil where the function may decide on the orders.
local function refusal_of(args, runs, first, last, now)
  if not last then
    return redis.error_reply('CLOCK the clock of this store is more than a day behind the orders '
      .. 'that it has recorded')
  elseif is_too_late(first, now) and has_old(runs, first) then
    return redis.error_reply('SWEPT this store counts orders of the last 8 days as forgotten: its '
      .. 'clock is wrong, or was wrong during a sweep. Such orders wait. ' .. args[4] .. SWEPT
      .. ' is the first hour that it remembers, counted from 1970')
  end
end

-- The lists of the call, and what is decided about its orders.
local function read_batch(args, records)
  local ids = cjson.decode(args[5])
  return {
    ids = ids, records = records, orders = cjson.decode(args[8]), origins_text = args[9],
    products = read_products(args, ids), reply = {}, sales = {}, deltas = {}, trims = {},
    refunds = {},
  }
end

local function apply_orders(keys, args)
  local refunds, index, changes = keys[2], keys[3], keys[4]
  local keep_ms = whole(args[1], 'how long a record is kept')
  assert(#keys == 4 and #args == 9, 'expected four keys and nine arguments')
  local now, records = now_ms(), cjson.decode(args[7])
  local first, is_first_record = first_kept(index, args[4], keep_ms, now)
  local runs, total = read_runs(args, records)
  local batch = read_batch(args, records)
  assert(#batch.orders == 2 * total, 'expected a product and a quantity for each order')
  local last = last_recorded(index, runs, now)
  local refused = refusal_of(args, runs, first, last, now)
  if refused then
    return refused
  end
  for _, run in ipairs(runs) do
    decide(batch, run, first, last)
  end

  if #batch.refunds > 0 and not writable_as(refunds, 'stream') then
    return damaged(refunds)
  elseif not index_hours(index, runs, is_first_record and args[4] .. SWEPT) then
    return damaged(index)
  end
  write_products(batch.products, ' ' .. int(now), changes)
  -- A movement is kept as long as the record that names it, even if the clock is ahead.
  local since = int(math.max(0, math.min(first * HOUR_MS, now - keep_ms) - MAX_SKEW_MS))
  for _, run in ipairs(runs) do
    if run.has_new then
      record_run(batch, run, since)
    end
  end
  local time = #batch.refunds > 0 and rfc3339(now)
  for _, refund in ipairs(batch.refunds) do
    emit_refund(refunds, refund, time)
  end
  return batch.reply
end

register('apply_orders', apply_orders, {'allow-oom'})
