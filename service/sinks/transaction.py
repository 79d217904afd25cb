"""A transaction of the Redis sink: entries for one stream, written once however often it is sent.

A script is a transaction with one reply in all instead of one an entry. The mark is compared inside
it, and with >=, so that a transaction given up for lost does nothing when it reaches the server
after its repetition. Each writes to one stream: what can fail (memory, type of the key) fails
before the first entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from service.keys import WRITTEN_TTL_S
from service.sinks.entries import Entries

BEGIN: Final = """
local sequence, ttl, maxlen, channel, entries = unpack(ARGV, 1, 5)
local written = tonumber(redis.call('GET', KEYS[1]) or '0')
if written >= tonumber(sequence) then return 0 end
"""
END: Final = """
redis.call('SET', KEYS[1], sequence, 'EX', ttl)
return 1
"""
PUBLISH: Final = """
for at = 6, #ARGV do redis.call('PUBLISH', channel, ARGV[at]) end
"""

# Columns cost both sides less than entries one by one: the names are not repeated, and a text is
# found in the table it was unpacked to. Where a text may be missing the call is put together anew
# for every entry, which costs the server some tenths of a microsecond more.
ANY_FIELDS: Final = """
local columns = cmsgpack.unpack(entries)
local call = {{'XADD', KEYS[2], 'MAXLEN', '~', maxlen, '*'}}
local names = {{{names}}}
for row = 1, #columns[1] do
  local last = 6
  for at = 1, #names do
    local text = columns[at][row]
    if text then
      call[last + 1], call[last + 2] = names[at], text
      last = last + 2
    end
  end
  redis.call(unpack(call, 1, last))
end
"""
ALL_FIELDS: Final = """
local {variables} = unpack(cmsgpack.unpack(entries))
for row = 1, #c1 do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', maxlen, '*', {pairs})
end
"""
# Bytes that are no text stay outside: the servers' cmsgpack reads no binary type.
WIDE: Final = """
local width = tonumber(entries)
for at = 6, #ARGV, width do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', maxlen, '*', unpack(ARGV, at, at + width - 1))
end
"""
WIDE_SCRIPT: Final = BEGIN + WIDE + END


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is to be written to one stream together.

    Attributes:
        stream: Its key.
        maxlen: Entries it is trimmed to, about.
        script: What the server is to do.
        arguments: What it needs for that beside the mark.
    """

    stream: str
    maxlen: int
    script: str
    arguments: tuple[str | int | bytes, ...]

    def command(self, mark: str, sequence: int) -> tuple[str | int | bytes, ...]:
        """Give the command that writes it, unless the mark has come as far as its number."""
        keys = (2, mark, self.stream)
        return ("EVAL", self.script, *keys, sequence, WRITTEN_TTL_S, self.maxlen, *self.arguments)


NOTHING: Final = Transaction("", 0, "", ())
"""Stands where there was nothing to write: a place to let others have the event loop."""


def narrow(stream: str, maxlen: int, entries: Entries, channel: str) -> Transaction:
    """Write many entries of few texts, and publish the messages that tell of them.

    Args:
        stream: Key of the stream.
        maxlen: Entries it is trimmed to, about.
        entries: What to write.
        channel: Where the messages go.
    """
    script = _script(tuple(entries.texts), is_complete=entries.is_complete)
    packed = msgspec.msgpack.encode(list(entries.texts.values()))
    return Transaction(stream, maxlen, script, (channel, packed, *entries.messages))


def wide(stream: str, maxlen: int, entries: Sequence[dict[str, str | bytes]]) -> Transaction:
    """Write few entries of much content each; nothing is published.

    Args:
        stream: Key of the stream.
        maxlen: Entries it is trimmed to, about.
        entries: At least one; all with as many fields.
    """
    flat = [part for entry in entries for field in entry.items() for part in field]
    return Transaction(stream, maxlen, WIDE_SCRIPT, ("", 2 * len(entries[0]), *flat))


@lru_cache
def _script(names: tuple[str, ...], *, is_complete: bool) -> str:
    """Give the script for entries of these fields: the same text for the same fields.

    The server keeps what it compiled by the text, and there are few sets of fields.
    """
    if is_complete:
        variables = [f"c{at}" for at in range(1, len(names) + 1)]
        pairs = [f"'{name}', {one}[row]" for name, one in zip(names, variables, strict=True)]
        write = ALL_FIELDS.format(variables=", ".join(variables), pairs=", ".join(pairs))
    else:
        write = ANY_FIELDS.format(names=", ".join(f"'{name}'" for name in names))
    return BEGIN + write + PUBLISH + END
