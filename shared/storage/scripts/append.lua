-- Appends entries to an input stream unless its reader lags too far behind.
-- The stream is trimmed to the reader's checkpoint, so its length is the lag.
-- KEYS[1] stream
-- ARGV[1] the most entries it may hold, ARGV[2..] field and value of each entry
-- result: how many were appended: all, or 0 when they do not fit
local count = (#ARGV - 1) / 2
if redis.call('XLEN', KEYS[1]) + count > tonumber(ARGV[1]) then
  return 0
end
for i = 2, #ARGV, 2 do
  redis.call('XADD', KEYS[1], '*', ARGV[i], ARGV[i + 1])
end
return count
