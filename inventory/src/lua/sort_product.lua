--[[ sort_product: set the text by which a product is sorted, if the product still has this name.
  Only a migration calls it: a newer build may make another text from the same name. The version
  of the product stays, because only the index changes.

  KEYS  1 identity   2 product   3 names index
  ARGV  1 product id   2 name   3 name to sort by
  Reply 1 it is sorted by this text, now or since an earlier call
        0 there is no such product, or it has another name by now ]]
local SORTED, OTHER_NAME = 1, 0

local function sort_product(keys, args)
  local product, names = keys[2], keys[3]
  assert(#keys == 3 and #args == 3, 'expected three keys and three arguments')
  local id, name, sort_name = args[1], args[2], args[3]
  local found = read_product(product)
  if not found or found.name ~= name then
    return OTHER_NAME
  end
  local before = found.sort_name
  found.sort_name = sort_name
  local line = product_line(found, whole(found.updated_at, 'the time of a product'))
  assert(writable_as(names, 'zset'), 'a key has a wrong type')

  redis.call('ZREM', names, before .. '\0' .. id)
  redis.call('ZADD', names, 0, sort_name .. '\0' .. id)
  redis.call('SET', product, line)
  return SORTED
end

register('sort_product', sort_product, {'allow-oom'}, true)
