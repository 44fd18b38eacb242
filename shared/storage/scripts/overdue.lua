-- Entries of a consumer group whose last attempt is long enough ago, now this consumer's.
-- KEYS[1] stream
-- ARGV[1] group, [2] consumer, [3] entries at most, [4] pending entries looked at, [5..] pause in ms after the 1st, 2nd … attempt
-- Result: entry, attempt that begins now, payload, entry, attempt, payload, … ; nothing when there is no group yet.
local pauses = #ARGV - 4
local shortest = math.huge
for at = 5, #ARGV do
  shortest = math.min(shortest, tonumber(ARGV[at]))
end
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], 'IDLE', shortest, '-', '+', ARGV[4])
if pending.err then
  if string.find(pending.err, 'NOGROUP', 1, true) then
    return {}
  end
  return pending
end
local found = {}
for _, one in ipairs(pending) do
  local entry, idle, attempts = one[1], one[3], one[4]
  local pause = tonumber(ARGV[4 + math.min(math.max(attempts, 1), pauses)])
  if idle >= pause and #found < 3 * tonumber(ARGV[3]) then
    local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], pause, entry)
    -- An entry that was trimmed away meanwhile is gone from the group, too.
    if claimed[1] and claimed[1][2] then
      table.insert(found, entry)
      table.insert(found, attempts + 1)
      table.insert(found, claimed[1][2][2])
    end
  end
end
return found
