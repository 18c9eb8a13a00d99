--[[ apply_orders: take the stock of paid orders, or ask payments to refund them.
  An order is recorded with what became of it, in the same step. A duplicate changes nothing and repeats the recorded
  answer: a store that emits an order again may have lost the refund as well.
  The keys of products, movements and records are made from prefixes, which carry the partition tag.

  KEYS  1 identity   2 refund_order stream   3 index of record buckets   4 stream of changes
  ARGV  1 how long a record is kept, in ms, where the store was never swept   2, 3, 4 what the keys of products, movements and record buckets begin with
        then lists in JSON, about up to 1,000 orders:
        5 ids of products
        6 for each run of orders in a row whose ids are of one hour and begin alike: the hour, how many, how they begin
        7 for each order the rest of its id, the last 30 characters
        8 for each order the place of its product, from 1, and its quantity
        9 for each order its traceparent and its request id
  Reply an integer for each order:
        1 applied   2 rejected: no such product   3 rejected: not enough stock
        4, 5, 6 the same, but it was recorded before   7 older than all records that are kept
        8 its id is of a time far ahead of the store   9 its stock was taken before, and given back
  Event refund_order for 2, 3, 5, 6 and 9 ]]
local APPLIED, NO_PRODUCT, NO_STOCK, REPEATED, TOO_OLD, TOO_NEW, GIVEN_BACK = 1, 2, 3, 3, 7, 8, 9
local REASONS = {[NO_PRODUCT] = 'product_not_found', [NO_STOCK] = 'insufficient_stock', [GIVEN_BACK] = 'released'}
-- Lua passes a few thousand values at once, and not one more.
local MAX_BATCH = 1000
-- The movements of a product are trimmed at every 50th version: Redis removes only whole blocks of up to 100.
local TRIM_EVERY = 50
local LARGEST = 10^MAX_DIGITS

local function is_whole(number)
  return type(number) == 'number' and number >= 0 and number < LARGEST and number % 1 == 0
end

-- The runs of orders, each with what is recorded of its orders, and how many orders there are in all.
local function read_runs(args, records)
  local total, runs, seen = 0, {}, {}
  for i, run in ipairs(cjson.decode(args[6])) do
    local hour, count, head = run[1], run[2], run[3]
    assert(is_whole(hour) and is_whole(count) and count > 0 and type(head) == 'string', 'a run is none')
    assert(total + count <= #records and #records <= MAX_BATCH, 'other orders than runs')
    local bucket = int(hour)
    local key = args[4] .. bucket
    seen[bucket] = seen[bucket] or {}
    runs[i] = {bucket = bucket, hour = hour, key = key, head = head, seen = seen[bucket], before = total,
      found = redis.call('HMGET', key, unpack(records, total + 1, total + count)), last = total + count}
    total = total + count
  end
  assert(total > 0 and total == #records, 'other orders than runs')
  return runs, total
end

-- The product in a line; `false` where it is a tombstone.
local function read_stock(line, id, key, movements)
  local version, quantity, rest = string.match(line, STOCK)
  if version and #version <= MAX_DIGITS and #quantity <= MAX_DIGITS then
    return {id = id, key = key, movements = movements, rest = rest, is_sold = false,
      version = tonumber(version), on_hand = tonumber(quantity)}
  end
  assert(string.find(line, TOMBSTONE), 'a product is damaged')
  return false
end

-- The products by their places; `false` for one that does not exist. What is no product is damage, and refunding the order would
-- be no answer to it.
local function read_products(args, ids)
  local keys, streams, products, known, count = {}, {'STREAMS'}, {}, {}, #ids
  assert(count <= MAX_BATCH, 'too many products')
  for i, id in ipairs(ids) do
    keys[i], streams[1 + i], streams[1 + count + i] = args[2] .. id, args[3] .. id, '$'
  end
  local lines = redis.call('MGET', unpack(keys))
  -- Nothing is read: it is an error where one of them is no stream.
  redis.call('XREAD', unpack(streams))
  for i, id in ipairs(ids) do
    local product = known[id]
    if product == nil then
      -- MGET finds nothing where something else than a string is; GET says so.
      local line = lines[i] or redis.call('GET', keys[i])
      product = line and read_stock(line, id, keys[i], streams[1 + i])
      known[id] = product
    end
    products[i] = product
  end
  return products
end

-- The traceparent and the request id of an order. Most orders need neither.
local function event_of(batch, i)
  batch.events = batch.events or cjson.decode(batch.events_text)
  local traceparent, request_id = unpack(batch.events, 2 * i - 1, 2 * i)
  assert(type(traceparent) == 'string' and type(request_id) == 'string', 'a traceparent or a request id is no text')
  return traceparent, request_id
end

local function add_refund(batch, i, head, reason)
  local traceparent, request_id = event_of(batch, i)
  local refunds, product_id = batch.refunds, batch.ids[batch.orders[2 * i - 1]]
  refunds[#refunds + 1] = {order_id = head .. batch.records[i], product_id = product_id,
    quantity = int(batch.orders[2 * i]), reason = reason, traceparent = traceparent, request_id = request_id}
end

-- Decides on the orders of one run, in their order, and writes nothing. Takes no order with a damaged number: that would be
-- noticed with others written.
local function decide(batch, run, first, last)
  local records, orders, products, reply = batch.records, batch.orders, batch.products, batch.reply
  local sales, trims = batch.sales, batch.trims
  local seen, found, before, head, deltas = run.seen, run.found, run.before, ' ' .. run.head, {}
  local is_old, is_new = run.hour < first, run.hour > last
  for i = before + 1, run.last do
    local record, product, quantity = records[i], products[orders[2 * i - 1]], orders[2 * i]
    assert(product ~= nil and is_whole(quantity), 'an order is none')
    local recorded, outcome = seen[record] or found[i - before], nil
    if is_old then
      outcome = TOO_OLD
    elseif recorded == RELEASED then
      outcome = GIVEN_BACK
    elseif recorded then
      outcome = REPEATED + (tonumber(recorded) or APPLIED)
    elseif is_new then
      outcome = TOO_NEW
    else
      outcome = not product and NO_PRODUCT or product.on_hand < quantity and NO_STOCK or APPLIED
      seen[record], run.has_new = outcome, true
    end
    local reason = REASONS[outcome] or REASONS[outcome - REPEATED]
    if outcome == APPLIED then
      local left, version = product.on_hand - quantity, product.version + 1
      product.on_hand, product.version, product.is_sold = left, version, true
      if version % TRIM_EVERY == 0 then
        trims[i] = true
      end
      deltas[quantity] = deltas[quantity] or int(0 - quantity) .. ' '
      sales[i] = deltas[quantity] .. int(left) .. head .. record
    elseif reason then
      add_refund(batch, i, run.head, reason)
    end
    reply[i] = outcome
  end
end

-- Writes down what became of the orders of one run, of those that were not recorded before.
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

-- Takes the stock, once for all orders of the call.
local function write_products(products, now, changes)
  local lines, ids, n = {}, {}, 0
  for _, product in ipairs(products) do
    if product and product.is_sold then
      n = n + 1
      lines[2 * n - 1], ids[n] = product.key, product.id
      lines[2 * n] = int(product.version) .. ' ' .. int(product.on_hand) .. now .. product.rest
      -- It may have several places.
      product.is_sold = false
    end
  end
  if n > 0 then
    redis.call('MSET', unpack(lines))
    announce(changes, 'product.stock_changed', ids)
  end
end

-- Lists the buckets that orders will be recorded in. Answers whether it could: where the index has a wrong type nothing is
-- written, because this is the first write of the call. A store that records its first order has forgotten none, and says so.
local function index_buckets(index, runs, new_marker)
  local buckets = {}
  for _, run in ipairs(runs) do
    if run.has_new then
      buckets[#buckets + 1], buckets[#buckets + 2] = run.bucket, run.bucket
    end
  end
  if #buckets == 0 then
    return true
  elseif type(redis.pcall('ZADD', index, unpack(buckets))) ~= 'number' then
    return false
  elseif new_marker then
    redis.call('SET', new_marker, '0')
  end
  return true
end

-- The last bucket that the store records orders in: a day ahead of its clock. An order beyond it would make all others look old.
-- Where the clock is more than a day behind what is recorded, it is a day ahead of that. `false` for an order beyond that one,
-- because the clock is wrong then, and not the order.
local function last_recorded(index, runs, now)
  local last, furthest = math.floor((now + MAX_SKEW_MS) / BUCKET_MS), 0
  for _, run in ipairs(runs) do
    furthest = math.max(furthest, run.hour)
  end
  local newest = furthest > last and newest_bucket(index) or 0
  if newest <= last then
    return last
  end
  local known = newest + MAX_SKEW_MS / BUCKET_MS
  return furthest <= known and known
end

-- Whether an order is of an hour before the first one that is kept.
local function has_old(runs, first)
  for _, run in ipairs(runs) do
    if run.hour < first then
      return true
    end
  end
  return false
end

local function apply_orders(keys, args)
  local refunds, index, changes = keys[2], keys[3], keys[4]
  local keep_ms = whole(args[1], 'how long a record is kept')
  assert(#keys == 4 and #args == 9, 'four keys and nine arguments')
  local now = now_ms()
  local ids, records = cjson.decode(args[5]), cjson.decode(args[7])
  local first, is_first_record = first_kept(index, args[4], keep_ms, now)
  local runs, total = read_runs(args, records)
  local batch = {ids = ids, records = records, orders = cjson.decode(args[8]), events_text = args[9],
    products = read_products(args, ids), reply = {}, sales = {}, trims = {}, refunds = {}}
  assert(#batch.orders == 2 * total, 'a product and a quantity for each order')
  local last = last_recorded(index, runs, now)
  if not last then
    return redis.error_reply('CLOCK the clock of this store is more than a day behind the orders that it has recorded')
  end
  if is_too_late(first, now) and has_old(runs, first) then
    return redis.error_reply('SWEPT this store counts orders of the last 8 days as forgotten: its clock is wrong, or was wrong during '
      .. 'a sweep. Such orders wait. ' .. args[4] .. SWEPT .. ' is the first hour that it remembers, counted from 1970')
  end
  for _, run in ipairs(runs) do
    decide(batch, run, first, last)
  end

  if #batch.refunds > 0 and not writable_as(refunds, 'stream') then
    return damaged(refunds)
  elseif not index_buckets(index, runs, is_first_record and args[4] .. SWEPT) then
    return damaged(index)
  end
  write_products(batch.products, ' ' .. int(now), changes)
  -- Of an order that is on record the movement is kept as well, whatever the clock says.
  local since = int(math.max(0, math.min(first * BUCKET_MS, now - keep_ms) - MAX_SKEW_MS))
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
