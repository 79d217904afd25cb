"""What the Redis store runs on the server, in Lua: each script happens as a whole."""

from typing import Final

# The field that says which store wrote a hash last and with which of its scripts, so that no two
# save parts side by side. No part can have this name: it is no UTF-8.
WRITER: Final = b"\xffwriter"
WRITER_IN_LUA: Final = r"'\255writer'"

# Each script that changes something begins with its number: one that was given up for lost and
# arrives after its successors would put old parts beside new ones, or bring back what was deleted.
# The same number may come twice, a client's own repetition: that does the same once more.
MARK: Final = """
local sequence, ttl = ARGV[1], ARGV[2]
local written = tonumber(redis.call('GET', KEYS[1]) or '0')
if written > tonumber(sequence) then return {} end
"""
# SET comes first, so that a server at its maxmemory refuses before anything is changed: of a
# script that has written once Redis lets all the rest pass. Times of saving only ever grow, even
# where the server's clock is set back: the order of the index is that of the calls. HSET goes by
# parts because Lua's stack is bounded. HGET answers with a table where the key is no hash.
SAVE: Final = f"""
{MARK}
redis.call('SET', KEYS[1], sequence, 'EX', ttl)
local clock = redis.call('TIME')
local newest = redis.call('ZRANGE', KEYS[2], 0, 0, 'REV', 'WITHSCORES')[2] or '0'
local now = math.max(clock[1] * 1000000 + clock[2], tonumber(newest) + 1)
local unknown, writer = {{}}, ARGV[4]
for at, entry in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key, stream_id, is_whole, parts = KEYS[at + 2], unpack(entry)
  local last = not is_whole and redis.pcall('HGET', key, {WRITER_IN_LUA})
  local is_ours = type(last) == 'string' and last:sub(1, #writer) == writer
  if is_whole then redis.call('DEL', key) end
  if is_whole and #parts == 0 then
    redis.call('ZREM', KEYS[2], stream_id)
  elseif is_whole or is_ours then
    redis.call('ZADD', KEYS[2], now, stream_id)
    redis.call('HSET', key, {WRITER_IN_LUA}, writer .. sequence)
    for first = 1, #parts, 1000 do
      redis.call('HSET', key, unpack(parts, first, math.min(first + 999, #parts)))
    end
  else
    unknown[#unknown + 1] = at
  end
end
return unknown
"""
# UNLINK comes first: SET alone would be refused at maxmemory, where deleting makes room.
DELETE: Final = f"""
{MARK}
for at = 3, #KEYS do
  redis.call('UNLINK', KEYS[at])
  redis.call('ZREM', KEYS[2], ARGV[at])
end
redis.call('SET', KEYS[1], sequence, 'EX', ttl)
return {{}}
"""
# Only where nobody wrote since the hash was read. What cannot be claimed, at maxmemory for one, can
# be read all the same: its next entry that is not whole is given back.
CLAIM: Final = f"""
for at, key in ipairs(KEYS) do
  if redis.pcall('HGET', key, {WRITER_IN_LUA}) == ARGV[at + 1] then
    redis.pcall('HSET', key, {WRITER_IN_LUA}, ARGV[1])
  end
end
"""
# The whole index at once, or a stream saved or deleted between two pages would move others past
# the listing. Packed it is one reply: 100,000 ids cost the server 30 ms and the client 5.
LIST: Final = "return cmsgpack.pack(redis.call('ZRANGE', KEYS[1], 0, -1, 'REV'))"
