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
-- A number that is longer may be one that is not exact in Lua, or that Redis does not count on.
local MAX_DIGITS = 15
-- How release_order records an order whose stock was given back: to be refunded, like one that never got any.
local RELEASED = '4'
local REASONS = {[NO_PRODUCT] = 'product_not_found', [NO_STOCK] = 'insufficient_stock'}

local function read_orders(keys, args)
  local orders = {}
  for i = 1, (#keys - 4) / 3 do
    local k, a = 3 * i + 1, 7 * i - 6
    orders[i] = {
      product_key = keys[k + 1], movements_key = keys[k + 2], bucket_key = keys[k + 3],
      id = args[a + 1], minted_at = tonumber(args[a + 2]), product_id = args[a + 3],
      quantity = tonumber(args[a + 4]), traceparent = args[a + 5],
      request_id = args[a + 6], bucket = args[a + 7],
    }
  end
  return orders
end

-- What is on hand of every product in the batch; `false` for a product that does not exist. Stock or a version that is no
-- number is damage, and refunding the order would be no answer to it.
local function read_stock(orders)
  local stock = {}
  for _, order in ipairs(orders) do
    local key = order.product_key
    if stock[key] == nil then
      local found = read_fields(key, {'quantity', 'version'})
      assert(not found or string.match(found.quantity, '^%d+$'), 'the stock of a product is no number')
      assert(not found or string.match(found.version, '^[1-9]%d*$') and #found.version <= MAX_DIGITS,
        'the version of a product is no number')
      stock[key] = found and tonumber(found.quantity) or false
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

local function decide(order, recorded, on_hand, oldest)
  if order.minted_at < oldest then
    return TOO_OLD
  elseif recorded then
    return recorded + REPEATED
  elseif not on_hand then
    return NO_PRODUCT
  elseif on_hand < order.quantity then
    return NO_STOCK
  end
  return APPLIED
end

local function record(order, index, found)
  redis.call('ZADD', index, order.bucket, order.bucket)
  redis.call('HSET', order.bucket_key, order.id, found)
end

-- Answers the id of the movement.
local function take_stock(order, balance, now, keep_ms)
  redis.call('HSET', order.product_key, 'quantity', int(balance), 'updated_at', int(now))
  redis.call('HINCRBY', order.product_key, 'version', 1)
  return redis.call('XADD', order.movements_key, 'MINID', '~', int(now - keep_ms), '*',
    'kind', 'sale', 'delta', int(-order.quantity), 'balance', int(balance), 'order_id', order.id)
end

local function emit_refund(stream, order, reason, now)
  redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', order.id .. ':refund', 'ce_source', '/inventory',
    'ce_type', 'order.refund_requested.v1', 'ce_time', rfc3339(now), 'traceparent', order.traceparent,
    'request_id', order.request_id, 'order_id', order.id, 'product_id', order.product_id,
    'quantity', int(order.quantity), 'reason', reason)
end

local function apply_orders(keys, args)
  local refunds, index, changes = keys[2], keys[3], keys[4]
  local keep_ms = tonumber(args[1])
  if not writable_as(refunds, 'stream') then
    return damaged(refunds)
  elseif not writable_as(index, 'zset') then
    return damaged(index)
  end
  local now = now_ms()
  local orders = read_orders(keys, args)
  local stock, records = read_stock(orders), read_records(orders)

  local reply, sold = {}, {}
  for i, order in ipairs(orders) do
    local outcome = decide(order, records[order.id], stock[order.product_key], now - keep_ms)
    if outcome == APPLIED then
      stock[order.product_key] = stock[order.product_key] - order.quantity
      record(order, index, take_stock(order, stock[order.product_key], now, keep_ms))
      sold[order.product_id] = true
    elseif outcome <= NO_STOCK then
      record(order, index, outcome)
    end
    records[order.id] = records[order.id] or outcome <= NO_STOCK and outcome or nil
    local reason = REASONS[outcome] or REASONS[outcome - REPEATED]
    if reason then
      emit_refund(refunds, order, reason, now)
    end
    reply[i] = outcome
  end
  for product_id in pairs(sold) do
    announce(changes, 'product.stock_changed', product_id)
  end
  return reply
end

register('apply_orders', apply_orders, {'allow-oom'})
