-- Counts a login attempt as failed before the password is looked at, so that parallel guesses cannot overtake the count.
-- KEYS[1..] counters
-- ARGV[1] now ms, ARGV[2] ms that a counter is kept; then for each counter: free attempts, first wait ms, longest wait ms
-- result: 0 when the attempt may go on, else ms to wait (nothing is counted then)
local now = tonumber(ARGV[1])
local wait = 0
for i = 1, #KEYS do
  wait = math.max(wait, tonumber(redis.call('HGET', KEYS[i], 'until') or '0') - now)
end
if wait > 0 then
  return wait
end
for i = 1, #KEYS do
  local free, first, longest = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local failed = redis.call('HINCRBY', KEYS[i], 'n', 1)
  if failed >= free then
    redis.call('HSET', KEYS[i], 'until', now + math.min(longest, first * 2 ^ math.min(failed - free, 30)))
  end
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return 0
