"""What the server does at once or not at all: the bus's scripts, for Redis 6.2 and later and Valkey.

Scripts do not roll back: each makes every check before its first write.
"""

from typing import Final

COMMIT: Final = """
-- KEYS: state, lease, errors, then every stream.  ARGV: version, owner, and three counted lists.
local argument = 3
local function take() argument = argument + 1; return ARGV[argument - 1] end
if ARGV[1] ~= '' and (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 'stale' end
if ARGV[2] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'stale' end
local wanted, acknowledged = tonumber(take()), 0
for _ = 1, wanted do
  local stream, group, id = KEYS[tonumber(take())], take(), take()
  acknowledged = acknowledged + redis.call('XACK', stream, group, id)
end
if wanted > 0 and acknowledged == 0 then return 'done' end
if wanted > 0 and redis.call('EXISTS', KEYS[3]) == 1 then
  for position = 4, 3 + 3 * wanted, 3 do
    local name = string.match(KEYS[tonumber(ARGV[position])], '[^:]+$')
    redis.call('HDEL', KEYS[3], name .. ':' .. ARGV[position + 1] .. ':' .. ARGV[position + 2])
  end
end
for _ = 1, tonumber(take()) do
  local stream, payload, strategy, bound, cap = KEYS[tonumber(take())], take(), take(), take(), take()
  redis.call('XADD', stream, strategy, '~', bound, '*', 'd', payload)
  if strategy == 'MINID' then redis.call('XTRIM', stream, 'MAXLEN', '~', cap) end
end
for _ = 1, tonumber(take()) do
  redis.call('XTRIM', KEYS[tonumber(take())], 'MINID', take())
end
if ARGV[1] ~= '' then
  for _ = 1, tonumber(take()) do
    local name, kept, value = take(), take(), take()
    if kept == '1' then redis.call('HSET', KEYS[1], name, value) else redis.call('HDEL', KEYS[1], name) end
  end
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return 'committed'
"""

IF_OWNER: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


PUBLISH: Final = """
-- KEYS: stream, lease.  ARGV: owner, strategy, bound, cap, payloads.
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then return false end
local ids = {}
for position = 5, #ARGV do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], ARGV[2], '~', ARGV[3], '*', 'd', ARGV[position])
end
if ARGV[2] == 'MINID' then redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[4]) end
return ids
"""

PUT_ASIDE: Final = """
-- KEYS: stream, dead letters, errors.  ARGV: stream, group, id, error unless one was kept, tries, payload.
if redis.call('XACK', KEYS[1], ARGV[2], ARGV[3]) == 0 then return 0 end
local field = ARGV[1] .. ':' .. ARGV[2] .. ':' .. ARGV[3]
local error = redis.call('HGET', KEYS[3], field) or ARGV[4]
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'stream', ARGV[1], 'group', ARGV[2],
  'entry_id', ARGV[3], 'error', error, 'tries', ARGV[5], 'd', ARGV[6])
redis.call('HDEL', KEYS[3], field)
return 1
"""

PUT_BACK: Final = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'd', ARGV[2])
return 1
"""

COUNT: Final = """
local total, after = 0, ARGV[1]
while total < 20000 do
  local page = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 200)
  total = total + #page
  if #page < 200 then break end
  after = page[#page][1]
end
return total
"""
