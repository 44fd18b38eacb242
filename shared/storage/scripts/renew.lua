-- Prolongs a lease that is still ours and notes that the partition is being looked after.
-- KEYS[1] lease, KEYS[2] checkpoint hash
-- ARGV[1] token, ARGV[2] lease ms (0 gives the lease back), ARGV[3] now ms to note as seen, or ''
-- result: 1 if it was ours, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[2], 'seen', ARGV[3])
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
