-- What one visitor is to see of its chat, and as of which entry of the chat stream: later entries come on top of it.
-- KEYS[1] chat stream, KEYS[2] the visitor's side (hash), KEYS[3] invitations (hash)
-- ARGV[1] the visitor's field among the invitations
-- result: {id of the stream's last entry or '0-0', packed status or '', packed place or '', packed invitation or ''}
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local side = redis.call('HMGET', KEYS[2], 'status', 'place')
local invitation = redis.call('HGET', KEYS[3], ARGV[1])
return { last[1] and last[1][1] or '0-0', side[1] or '', side[2] or '', invitation or '' }
