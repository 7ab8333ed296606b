-- What both scripts share; put in front of each of them.

-- Values carry "partition:offset" of the record they came from; only a newer one may replace them. A key never changes
-- its partition while its topic lives, so another partition means a topic born anew: newer.
local function is_newer(place, partition, offset)
  if not place then return true end
  local known_partition, known_offset = string.match(place, '^(%d+):(%d+)$')
  return known_partition ~= partition or tonumber(offset) > tonumber(known_offset)
end

-- Redis does not undo the writes of a script that fails half-way: look at every type before the first write.
local function wrong_type(expected)
  for i, want in ipairs(expected) do
    local found = redis.call('TYPE', KEYS[i]).ok
    if found ~= 'none' and found ~= want then
      return redis.error_reply('WRONGTYPE key ' .. KEYS[i] .. ' is a ' .. found .. ', expected a ' .. want)
    end
  end
end
