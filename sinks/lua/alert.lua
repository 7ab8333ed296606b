-- One alert: once in the stream, once on the live channel, and the work queue of its route brought up to date.
-- KEYS: 1 stream, 2 queue, 3 places of the queue, 4 open alerts of this workspace in the queue, 5 mark of the copy seen
-- ARGV: 1 alert id, 2 alert JSON, 3 seconds to remember, 4 cap of the stream, 5 live channel, 6 workspace id,
--       7 queue score (empty: closed), 8 partition, 9 offset
-- Returns 1 for a new alert, 0 for a copy.
local refusal = wrong_type({'stream', 'zset', 'hash', 'hash', 'string'})
if refusal then return refusal end
-- Of two copies the first wins: the second changes nothing, the queue included.
if not redis.call('SET', KEYS[5], '1', 'NX', 'EX', ARGV[3]) then return 0 end

redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'id', ARGV[1], 'data', ARGV[2])
redis.call('PUBLISH', ARGV[5], ARGV[2])
if not is_newer(redis.call('HGET', KEYS[3], ARGV[6]), ARGV[8], ARGV[9]) then return 1 end

redis.call('HSET', KEYS[3], ARGV[6], ARGV[8] .. ':' .. ARGV[9])
if ARGV[7] == '' then
  redis.call('HDEL', KEYS[4], ARGV[1])
else
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[7])
  redis.call('EXPIRE', KEYS[4], ARGV[3])
end
-- A workspace stands in the queue with the most urgent of its open alerts, and leaves with the last one.
local highest = false
for _, score in ipairs(redis.call('HVALS', KEYS[4])) do
  if not highest or tonumber(score) > tonumber(highest) then highest = score end
end
if highest then
  redis.call('ZADD', KEYS[2], highest, ARGV[6])
else
  redis.call('ZREM', KEYS[2], ARGV[6])
end
return 1
