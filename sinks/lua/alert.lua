-- One alert: once in the stream, once on the live channel, and the work queue of its route brought up to date.
-- KEYS: 1 stream, 2 queue, 3 open alerts of this workspace in the queue, 4 mark of the copy seen, 5 mark of its close
-- ARGV: 1 alert id, 2 alert JSON, 3 seconds to remember, 4 cap of the stream, 5 live channel (empty: nobody is told),
--       6 workspace id, 7 queue score (empty: closed), 8 step: of two states of an open alert the higher is the later
-- Returns 1 for a new alert, 0 for a copy.
local refusal = wrong_type({'stream', 'zset', 'hash', 'string', 'string'})
if refusal then return refusal end
-- Of two copies the first wins: the second changes nothing, the queue included.
if not redis.call('SET', KEYS[4], '1', 'NX', 'EX', ARGV[3]) then return 0 end

redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'id', ARGV[1], 'data', ARGV[2])
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[2]) end

-- States may come in any order: a rebuild meets old ones while the sink brings new ones. An alert is its own yardstick,
-- not its workspace: what came later of another alert says nothing about this one.
if ARGV[7] == '' then
  redis.call('HDEL', KEYS[3], ARGV[1])
elseif redis.call('EXISTS', KEYS[5]) == 0 then
  -- Each open alert's field is 'score step'.
  local known = redis.call('HGET', KEYS[3], ARGV[1])
  if not known or tonumber(ARGV[8]) > tonumber(string.match(known, '%d+$')) then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[7] .. ' ' .. ARGV[8])
  end
  redis.call('EXPIRE', KEYS[3], ARGV[3])
end
-- A workspace stands in the queue with the most urgent of its open alerts, and leaves with the last one.
local highest = false
for _, field in ipairs(redis.call('HVALS', KEYS[3])) do
  local score = string.match(field, '^%S+')
  if not highest or tonumber(score) > tonumber(highest) then highest = score end
end
if highest then
  redis.call('ZADD', KEYS[2], highest, ARGV[6])
else
  redis.call('ZREM', KEYS[2], ARGV[6])
end
return 1
