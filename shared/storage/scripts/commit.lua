-- One atomic step of a partition's owner: state, timers, output and checkpoint together, or nothing.
-- KEYS[1] lease, KEYS[2] checkpoint hash, KEYS[3] input stream, KEYS[4] timers, KEYS[5..] every key the writes touch
-- ARGV[1] lease token, ARGV[2] checkpoint that the step started from, ARGV[3] new checkpoint,
-- ARGV[4] id to trim the input stream to (entries before it are done), ARGV[5] now ms,
-- ARGV[6] msgpack array of writes, each {command, index into KEYS, argument, ...}
-- ARGV[7], if given: what the step took for granted to stand in the last of KEYS
-- result: {'ok', ms of the first timer or ''} | {'fenced'} | {'moved', checkpoint} | {'guessed'}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return { 'fenced' }
end
local at = redis.call('HGET', KEYS[2], 'id') or '0-0'
if at ~= ARGV[2] then
  return { 'moved', at }
end
if ARGV[7] and redis.call('GET', KEYS[#KEYS]) ~= ARGV[7] then
  return { 'guessed' }
end
for _, write in ipairs(cmsgpack.unpack(ARGV[6])) do
  write[2] = KEYS[write[2]]
  redis.call(unpack(write))
end
redis.call('HSET', KEYS[2], 'id', ARGV[3], 'seen', ARGV[5], 'done', ARGV[5])
if ARGV[3] ~= ARGV[2] then
  redis.call('XTRIM', KEYS[3], 'MINID', ARGV[4])
end
local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
return { 'ok', first[2] or '' }
