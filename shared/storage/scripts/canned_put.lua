-- Writes or removes one canned reply if nobody changed it meanwhile.
-- KEYS[1] the site's replies
-- ARGV[1] id, ARGV[2] version that was read (0: must not exist yet), ARGV[3] new version, ARGV[4] packed reply or '' to
-- remove it, ARGV[5] the most replies there may be
-- result: 'ok' | 'stale_version' | 'too_many'
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local version = stored and string.match(stored, '^(%d+)\n') or '0'
if version ~= ARGV[2] then
  return 'stale_version'
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return 'ok'
end
if not stored and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
  return 'too_many'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. '\n' .. ARGV[4])
return 'ok'
