--[[ The outcome of an order is recorded in the hash `records:<hour>`. The hour is the one in the id
  of the order. The field is the last 30 characters of the id, which are unique within an hour. The
  value is

    <ms without the first digit>-<sequence>    the id of the movement by which its stock was taken
    2, 3                                       no stock was taken: no such product, not enough stock
    4                                          its stock was taken, and given back

  Field and value are short because each order has a record. Times of 13 digits that differ only in
  the first digit are at least 31 years apart, so a record leaves that digit out.

  Where stock of an order was given back, more fields stand beside its record. Their names are the
  same 30 characters and

    :released     the movement whose stock was given back when the order was released
    :<movement>   a movement whose stock was given back because the order had taken its stock more
                  than once; the value is `4` ]]
local RELEASED = '4'
-- The first character of the part of an order id that is the field of its record.
local RECORD_FROM = 7
local SHORTENED_BY = 10^12

-- How the movement `entry` is recorded.
local function recorded_as(entry)
  return string.sub(entry, 2)
end

-- The field with the movement of a released order.
local function released_field(record)
  return record .. ':released'
end

-- The field that says that a surplus movement was given back.
local function surplus_field(record, recorded)
  return record .. ':' .. recorded
end

-- The movement in a record of an hour that begins at `since`; nil for a record without a movement.
local function movement_of(recorded, since)
  local ms, sequence = string.match(recorded, '^(%d+)(%-%d+)$')
  if ms then
    local periods = math.floor((since - tonumber(ms)) / SHORTENED_BY + 0.5)
    return int(tonumber(ms) + periods * SHORTENED_BY) .. sequence
  end
end

-- The pieces that the order took by the movement `entry`; nil where `entry` is no sale of this
-- product to this order.
local function taken(movements, entry, order_id)
  local found = redis.call('XRANGE', movements, entry, entry)[1]
  local kind, text = unpack(found and found[2] or {})
  local quantity, sold = string.match(text or '', '^%-(%d+) %d+ (%S+)$')
  if kind == 'sale' and sold == order_id then
    return tonumber(quantity)
  end
end

-- Puts pieces back into the stock of a product. `keys` and `args` are those of the caller:
-- `release_order` and `release_surplus` begin with the same five keys and three arguments. Answers
-- false and writes nothing if the product would have too many pieces.
local function give_back(keys, args, found, quantity, now)
  found.quantity, found.version = found.quantity + quantity, found.version + 1
  if found.quantity > whole(args[3], 'the most pieces of a product') then
    return false
  end
  redis.call('SET', keys[2], product_line(found, now))
  move(keys[3], 'release', quantity, found.quantity, args[1])
  announce(keys[5], 'product.stock_changed', {args[2]})
  return true
end
