-- Tells the others that this instance is alive and learns who else is. Time is Redis's own, so clocks need not agree.
-- KEYS[1] registry
-- ARGV[1] instance, ARGV[2] ms until it counts as dead (0 signs off)
-- result: names of the live instances
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
end
return redis.call('ZRANGE', KEYS[1], 0, -1)
