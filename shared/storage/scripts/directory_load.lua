-- The whole directory at one moment, and where its changes go on.
-- reads only
-- KEYS[1] head, KEYS[2] changes, KEYS[3] sites, KEYS[4] operators
-- result: {seq, mark, id of the last change, {site, record, ...}, {operator, record, ...}}
local head = redis.call('HMGET', KEYS[1], 'seq', 'mark')
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {
  head[1] or '0', head[2] or '-', last[1] and last[1][1] or '0-0',
  redis.call('HGETALL', KEYS[3]), redis.call('HGETALL', KEYS[4]),
}
