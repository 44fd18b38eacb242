-- Who logs in with an e-mail address, in one round trip: an unknown one takes no less time than a known one.
-- reads only
-- KEYS[1] e-mail index, KEYS[2] operators, KEYS[3] secrets
-- ARGV[1] e-mail, case-folded
-- result: {record or '', password hash or ''}
local operator = redis.call('HGET', KEYS[1], ARGV[1]) or ''
return { redis.call('HGET', KEYS[2], operator) or '', redis.call('HGET', KEYS[3], operator) or '' }
