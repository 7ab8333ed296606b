-- The live snapshot of one workspace: written only if it is newer than the one that stands there.
-- KEYS: 1 snapshot, 2 places of the snapshots
-- ARGV: 1 workspace id, 2 partition, 3 offset, 4 snapshot JSON (missing: the workspace is gone)
-- Returns 1 if it was newer, else 0.
local refusal = wrong_type({'string', 'hash'})
if refusal then return refusal end
if not is_newer(redis.call('HGET', KEYS[2], ARGV[1]), ARGV[2], ARGV[3]) then return 0 end

redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
if ARGV[4] then
  redis.call('SET', KEYS[1], ARGV[4])
else
  redis.call('DEL', KEYS[1])
end
return 1
