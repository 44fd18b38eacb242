-- Reads a login with its operator's record and, as it is being used, moves its idle expiry on.
-- KEYS[1] the login, KEYS[2] operators
-- ARGV[1] now ms, ARGV[2] idle ms, ARGV[3] ms that the expiry may stay behind (saves a write on most uses)
-- result: false | {operator, generation, csrf, created ms, absolute expiry ms, ms left, operator's record or ''}
local login = redis.call('HMGET', KEYS[1], 'operator', 'generation', 'csrf', 'created_at', 'absolute_expires_at')
if not login[1] then
  return false
end
local left = math.min(tonumber(ARGV[2]), tonumber(login[5]) - tonumber(ARGV[1]))
if left <= 0 then
  redis.call('DEL', KEYS[1])
  return false
end
if redis.call('PTTL', KEYS[1]) < left - tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], left)
end
login[6] = left
login[7] = redis.call('HGET', KEYS[2], login[1]) or ''
return login
