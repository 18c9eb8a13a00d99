--[[ A product is one line under `product:<id>`: these values with a space between two of them, and
  a tab before the last:

    version quantity updated_at price created_at name<TAB>name to sort by

  The values that change most come first. Names may have spaces, but no control characters. A
  deleted product leaves a tombstone: `deleted <when>`. Times are milliseconds since the epoch, and
  a price has two decimals. A line of another shape is damaged, and no function acts on it. If a
  damaged product counted as missing, its orders would be refunded. ]]
local PRODUCT = '^([1-9]%d*) (%d+) (%d+) (%d+%.%d%d) (%d+) ([^\t]+)\t([^\t]+)$'
-- The values that a sale changes, and the rest with the space before it.
local STOCK = '^([1-9]%d*) (%d+) %d+( .+)$'
local TOMBSTONE = '^deleted %d+$'

-- The product under this key, and its line; nil for a missing product or a tombstone.
local function read_product(key)
  local line = redis.call('GET', key)
  if not line or string.find(line, TOMBSTONE) then
    return nil
  end
  local version, quantity, updated_at, price, created_at, name, sort_name
    = string.match(line, PRODUCT)
  return {
    version = whole(version, 'the version of a product'),
    quantity = whole(quantity, 'the stock of a product'),
    updated_at = updated_at, price = price, created_at = created_at,
    name = name, sort_name = sort_name,
  }, line
end

-- The line of a product that changes at `now`. A line that the functions could not read again is an
-- error, before the caller writes anything.
local function product_line(product, now)
  local values = {int(product.version), int(product.quantity), int(now), product.price,
    product.created_at, product.name}
  local line = table.concat(values, ' ') .. '\t' .. product.sort_name
  assert(string.find(line, PRODUCT), 'malformed name or price')
  return line
end

-- Adds a movement: an entry with one field. The name of the field is the kind of movement. The
-- value is `<difference> <stock afterwards>`, followed by an order id or a note where there is one.
local function move(movements, kind, delta, balance, about)
  local text = int(delta) .. ' ' .. int(balance)
  if about ~= '' then
    text = text .. ' ' .. about
  end
  redis.call('XADD', movements, '*', kind, text)
end

-- True when both indexes and the stream of movements have types that the functions can write to.
local function can_list(products, names, movements)
  return writable_as(products, 'zset') and writable_as(names, 'zset')
    and writable_as(movements, 'stream')
end
