-- Writes one record of the directory if nobody changed it meanwhile, and tells every replica.
-- KEYS[1] records, KEYS[2] e-mail index, KEYS[3] secrets, KEYS[4] head, KEYS[5] changes
-- ARGV[1] kind, ARGV[2] id, ARGV[3] version that was read (0: must not exist yet), ARGV[4] new version, ARGV[5] record,
-- ARGV[6] the most records there may be, ARGV[7] e-mail to release or '', ARGV[8] e-mail to take or '',
-- ARGV[9] new secret or '', ARGV[10] mark of this change, ARGV[11] how many changes to keep
-- result: {'ok', seq} | {'stale_version'} | {'email_taken'} | {'too_many'}
local stored = redis.call('HGET', KEYS[1], ARGV[2])
local version = stored and string.match(stored, '^(%d+)\n') or '0'
if version ~= ARGV[3] then
  return { 'stale_version' }
end
if not stored and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then
  return { 'too_many' }
end
if ARGV[8] ~= '' then
  local holder = redis.call('HGET', KEYS[2], ARGV[8])
  if holder and holder ~= ARGV[2] then
    return { 'email_taken' }
  end
  if ARGV[7] ~= '' and ARGV[7] ~= ARGV[8] then
    redis.call('HDEL', KEYS[2], ARGV[7])
  end
  redis.call('HSET', KEYS[2], ARGV[8], ARGV[2])
end
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[9])
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4] .. '\n' .. ARGV[5])
local seq = redis.call('HINCRBY', KEYS[4], 'seq', 1)
local before = redis.call('HGET', KEYS[4], 'mark') or '-'
redis.call('HSET', KEYS[4], 'mark', ARGV[10])
local header = seq .. ' ' .. before .. ' ' .. ARGV[10] .. ' ' .. ARGV[1] .. ' ' .. ARGV[2]
redis.call('XADD', KEYS[5], 'MAXLEN', ARGV[11], '*', 'd', header .. '\n' .. ARGV[5])
return { 'ok', seq }
