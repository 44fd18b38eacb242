-- The time of the server that holds a key, which is the one in the ids of its stream's entries.
-- reads only
-- KEYS[1] any key of the partition
-- result: ms since the epoch
local now = redis.call('TIME')
return now[1] * 1000 + math.floor(now[2] / 1000)
