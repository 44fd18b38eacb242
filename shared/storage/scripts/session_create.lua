-- Stores a login and names the operator's oldest ones beyond the limit, which the caller then ends.
-- KEYS[1] the login, KEYS[2] the operator's logins
-- ARGV[1] login, ARGV[2] now ms, ARGV[3] idle ms, ARGV[4] absolute ms, ARGV[5] most logins of one operator,
-- ARGV[6..] fields and values of the login
-- result: logins to end
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[3]), tonumber(ARGV[4])))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', tonumber(ARGV[2]) - tonumber(ARGV[4]))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return redis.call('ZRANGE', KEYS[2], 0, -(tonumber(ARGV[5]) + 1))
