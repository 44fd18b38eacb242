-- Appends entries to an input stream unless its reader lags too far behind.
-- The stream is trimmed to the reader's checkpoint, so what it holds is the lag. Counted in bytes, because an entry
-- carries between one event and 32 of them, packed.
-- KEYS[1] stream
-- ARGV[1] bytes of memory beyond which nothing is appended, ARGV[2..] field and value of each entry
-- result: how many were appended: all, or 0 when there is no room
local count = (#ARGV - 1) / 2
local held = redis.call('MEMORY', 'USAGE', KEYS[1])
if held and held >= tonumber(ARGV[1]) and redis.call('XLEN', KEYS[1]) > 0 then
  return 0
end
for i = 2, #ARGV, 2 do
  redis.call('XADD', KEYS[1], '*', ARGV[i], ARGV[i + 1])
end
return count
