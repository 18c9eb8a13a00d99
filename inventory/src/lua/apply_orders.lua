--[[ apply_orders: take the stock of paid orders, or ask payments to refund them.
  An order is recorded with what became of it, in the same step. A duplicate changes nothing and repeats the recorded
  answer: whoever emitted the order again may have lost the refund as well.

  KEYS  1 identity   2 refund_order stream   3 index of record buckets   4 stream of changes
        then for each order: product, movements of the product, record bucket of the order
  ARGV  1 how long a record is kept, in ms
        then for each order: order id, minted at in ms, product id, quantity, traceparent, request id, bucket number
  Reply an integer for each order:
        1 applied   2 rejected: no such product   3 rejected: not enough stock
        4, 5, 6 the same, but it was recorded before   7 older than its record would be kept
  Event refund_order for 2, 3, 5 and 6 ]]
local APPLIED, NO_PRODUCT, NO_STOCK, REPEATED, TOO_OLD = 1, 2, 3, 3, 7
-- How release_order records an order whose stock was given back: to be refunded, like one that never got any.
local RELEASED = '4'
local REASONS = {[NO_PRODUCT] = 'product_not_found', [NO_STOCK] = 'insufficient_stock'}

-- Takes no order whose numbers are none: that would be noticed in the middle of the batch, with those before it written.
local function read_orders(keys, args)
  local orders = {}
  assert((#args - 1) / 7 == (#keys - 4) / 3, 'three keys and seven arguments for each order')
  for i = 1, (#keys - 4) / 3 do
    local k, a = 3 * i + 1, 7 * i - 6
    orders[i] = {
      product_key = keys[k + 1], movements_key = keys[k + 2], bucket_key = keys[k + 3],
      id = args[a + 1], minted_at = whole(args[a + 2], 'the time of an order'), product_id = args[a + 3],
      quantity = whole(args[a + 4], 'the quantity of an order'), traceparent = args[a + 5],
      request_id = args[a + 6], bucket = int(whole(args[a + 7], 'the bucket of an order')),
    }
  end
  return orders
end

-- Every product in the batch by its key; `false` for one that does not exist. Stock or a version that is no number is damage, and
-- refunding the order would be no answer to it.
local function read_stock(orders)
  local stock = {}
  for _, order in ipairs(orders) do
    local key = order.product_key
    if stock[key] == nil then
      local found = read_fields(key, {'quantity', 'version'})
      -- Redis, which counts the version, takes no zero in front.
      assert(not found or whole(found.version, 'the version of a product') and found.version:match('^[1-9]'))
      stock[key] = found and {key = key, id = order.product_id, sales = 0,
        on_hand = whole(found.quantity, 'the stock of a product')} or false
      assert(writable_as(order.movements_key, 'stream'), 'the movements of a product are no stream')
    end
  end
  return stock
end

-- What is recorded of every order in the batch. An order that was applied is recorded as the id of its movement.
local function read_records(orders)
  local records = {}
  for _, order in ipairs(orders) do
    local found = redis.call('HGET', order.bucket_key, order.id)
    if found then
      records[order.id] = found == RELEASED and NO_STOCK or tonumber(found) or APPLIED
    end
  end
  return records
end

local function decide(order, recorded, product, oldest)
  if order.minted_at < oldest then
    return TOO_OLD
  elseif recorded then
    return recorded + REPEATED
  elseif not product then
    return NO_PRODUCT
  elseif product.on_hand < order.quantity then
    return NO_STOCK
  end
  return APPLIED
end

-- `indexed` has the buckets that this call has put into the index.
local function record(order, index, indexed, found)
  if not indexed[order.bucket] then
    redis.call('ZADD', index, order.bucket, order.bucket)
    indexed[order.bucket] = true
  end
  redis.call('HSET', order.bucket_key, order.id, found)
end

-- Answers the id of the movement.
local function take_stock(order, product, oldest)
  product.on_hand, product.sales = product.on_hand - order.quantity, product.sales + 1
  return redis.call('XADD', order.movements_key, 'MINID', '~', int(math.max(0, oldest)), '*',
    'kind', 'sale', 'delta', int(0 - order.quantity), 'balance', int(product.on_hand), 'order_id', order.id)
end

-- Once for all orders of the batch.
local function write_stock(product, now)
  redis.call('HSET', product.key, 'quantity', int(product.on_hand), 'updated_at', int(now))
  redis.call('HINCRBY', product.key, 'version', product.sales)
end

local function emit_refund(stream, order, reason, time)
  redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', order.id .. ':refund', 'ce_source', '/inventory',
    'ce_type', 'order.refund_requested.v1', 'ce_time', time, 'traceparent', order.traceparent,
    'request_id', order.request_id, 'order_id', order.id, 'product_id', order.product_id,
    'quantity', int(order.quantity), 'reason', reason)
end

local function apply_orders(keys, args)
  local refunds, index, changes = keys[2], keys[3], keys[4]
  local keep_ms = whole(args[1], 'how long a record is kept')
  if not writable_as(refunds, 'stream') then
    return damaged(refunds)
  elseif not writable_as(index, 'zset') then
    return damaged(index)
  end
  local now = now_ms()
  local oldest = now - keep_ms
  local orders = read_orders(keys, args)
  local stock, records = read_stock(orders), read_records(orders)

  local reply, sold, indexed, time = {}, {}, {}, nil
  for i, order in ipairs(orders) do
    local product = stock[order.product_key]
    local outcome = decide(order, records[order.id], product, oldest)
    if outcome == APPLIED then
      if product.sales == 0 then
        sold[#sold + 1] = product
      end
      record(order, index, indexed, take_stock(order, product, oldest))
    elseif outcome <= NO_STOCK then
      record(order, index, indexed, outcome)
    end
    records[order.id] = records[order.id] or outcome <= NO_STOCK and outcome or nil
    local reason = REASONS[outcome] or REASONS[outcome - REPEATED]
    if reason then
      time = time or rfc3339(now)
      emit_refund(refunds, order, reason, time)
    end
    reply[i] = outcome
  end
  local changed = {}
  for i, product in ipairs(sold) do
    write_stock(product, now)
    changed[i] = product.id
  end
  announce(changes, 'product.stock_changed', changed)
  return reply
end

register('apply_orders', apply_orders, {'allow-oom'})
