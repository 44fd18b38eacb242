-- What visitors are to see of their chats, and as of which entry of the chat stream: later entries come on top of it.
-- KEYS[1] chat stream, KEYS[2] invitations (hash), KEYS[3..] each visitor's side (hash)
-- ARGV[1..] each visitor's field among the invitations
-- result: {id of the stream's last entry or '0-0', then for each visitor packed status, place, invitation ('': none)}
-- reads only
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local result = { last[1] and last[1][1] or '0-0' }
for i = 1, #ARGV do
  local side = redis.call('HMGET', KEYS[i + 2], 'status', 'place')
  result[#result + 1] = side[1] or ''
  result[#result + 1] = side[2] or ''
  result[#result + 1] = redis.call('HGET', KEYS[2], ARGV[i]) or ''
end
return result
