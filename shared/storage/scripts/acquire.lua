-- Takes the lease on a partition if nobody else holds it; the fence counts owners.
-- KEYS[1] lease, KEYS[2] checkpoint hash, KEYS[3] timers
-- ARGV[1] instance, ARGV[2] lease ms, ARGV[3] an epoch to use if the partition has none yet,
-- ARGV[4] the token this instance held before, or '', ARGV[5] now ms, ARGV[6] ms of absence that make a gap
-- ARGV[7] checkpoint and ARGV[8] ms of the last commit this instance knows it made, or ''
-- result: false when held, else {token, checkpoint id, seen ms, resumed ms, ms of the first timer or ''}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[4] then
  return false
end
local fence = redis.call('HINCRBY', KEYS[2], 'fence', 1)
redis.call('HSETNX', KEYS[2], 'epoch', ARGV[3])
-- Another life of the server may have lost its last writes; numbers given out since would then be given out again with
-- other content. Only who made the last commit can tell that nothing is missing; else the data's epoch ends.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local life = redis.call('HMGET', KEYS[2], 'server', 'id', 'done')
if life[1] ~= server then
  if life[1] and not (life[2] == ARGV[7] and life[3] == ARGV[8]) then
    redis.call('HSET', KEYS[2], 'epoch', ARGV[3])
  end
  redis.call('HSET', KEYS[2], 'server', server)
end
local token = ARGV[1] .. ':' .. fence
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
local state = redis.call('HMGET', KEYS[2], 'id', 'seen', 'resumed')
local seen, resumed = state[2] or '0', state[3] or '0'
if tonumber(ARGV[5]) - tonumber(seen) > tonumber(ARGV[6]) then
  resumed = ARGV[5]
  redis.call('HSET', KEYS[2], 'resumed', resumed)
end
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
return { token, state[1] or '0-0', seen, resumed, first[2] or '' }
