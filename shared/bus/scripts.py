"""The bus's Lua scripts, each atomic, for Redis 6.2 and later and Valkey.

Scripts do not roll back: each makes every check before its first write.
"""

from typing import Final

COMMIT: Final = """
-- KEYS: errors, then every state, lease and stream.  ARGV: for each commit how many arguments it has, then the state
-- and its version, the lease and its owner (no version, no owner: no matter), and four counted lists.
local argument
local function take() argument = argument + 1; return ARGV[argument - 1] end
local function key() return KEYS[tonumber(take())] end
local function commit()
  local state, version, lease, owner = key(), take(), key(), take()
  if version ~= '' and (redis.call('HGET', state, 'version') or '0') ~= version then return 'stale' end
  if owner ~= '' and redis.call('GET', lease) ~= owner then return 'stale' end
  local wanted, acknowledged = tonumber(take()), 0
  local first = argument
  for _ = 1, wanted do
    local stream, group, id = key(), take(), take()
    acknowledged = acknowledged + redis.call('XACK', stream, group, id)
  end
  if wanted > 0 and acknowledged == 0 then return 'done' end
  if wanted > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
    for position = first, first + 3 * wanted - 1, 3 do
      local name = string.match(KEYS[tonumber(ARGV[position])], '[^:]+$')
      redis.call('HDEL', KEYS[1], name .. ':' .. ARGV[position + 1] .. ':' .. ARGV[position + 2])
    end
  end
  for _ = 1, tonumber(take()) do
    local stream, payload, strategy, bound, cap = key(), take(), take(), take(), take()
    redis.call('XADD', stream, strategy, '~', bound, '*', 'd', payload)
    if strategy == 'MINID' then redis.call('XTRIM', stream, 'MAXLEN', '~', cap) end
  end
  for _ = 1, tonumber(take()) do
    redis.call('XTRIM', key(), 'MINID', take())
  end
  if version ~= '' then
    for _ = 1, tonumber(take()) do
      local name, kept, value = take(), take(), take()
      if kept == '1' then redis.call('HSET', state, name, value) else redis.call('HDEL', state, name) end
    end
    redis.call('HINCRBY', state, 'version', 1)
  end
  return 'committed'
end
local results, start = {}, 1
while start <= #ARGV do
  argument = start + 1
  results[#results + 1] = commit()
  start = start + 1 + tonumber(ARGV[start])
end
return results
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
