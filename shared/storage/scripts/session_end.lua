-- Ends a login and tells every gateway.
-- KEYS[1] the login, KEYS[2] the operator's logins, KEYS[3] head, KEYS[4] changes
-- ARGV[1] login, ARGV[2] mark of this change, ARGV[3] how many changes to keep
-- result: seq of the change, 0 when the login had ended before
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('DEL', KEYS[1]) == 0 then
  return 0
end
local seq = redis.call('HINCRBY', KEYS[3], 'seq', 1)
local before = redis.call('HGET', KEYS[3], 'mark') or '-'
redis.call('HSET', KEYS[3], 'mark', ARGV[2])
local header = seq .. ' ' .. before .. ' ' .. ARGV[2] .. ' session ' .. ARGV[1]
redis.call('XADD', KEYS[4], 'MAXLEN', ARGV[3], '*', 'd', header .. '\n')
return seq
