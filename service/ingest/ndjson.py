"""From NDJSON to columns: one observation a line; a line that is no JSON spoils no other."""

import re
from contextlib import suppress
from typing import Final

import msgspec

from service.engine.errors import RowError
from service.ingest.decode import NOT_STRICT, Decoder, Found, check_size, found_in, strict_in
from service.ingest.encode import encode
from service.ingest.errors import MalformedJSON
from service.ingest.json_bodies import parsed
from service.ingest.rows import Row, observation_of
from service.ingest.schemas import Observation, Refused, Verdict

_LINES: Final = re.compile(rb"\S[^\n]*")
"""From a line's first character that is no space to its end, so blank lines are passed over."""
_line = msgspec.json.Decoder(Observation)


class NDJSONDecoder(Decoder):
    """A body is one observation a line."""

    __slots__ = ()

    def _found(self, data: bytes, stream_id: str | None) -> Found:
        lines = _LINES.findall(data)
        check_size(len(lines), self.max_rows)
        try:
            rows = [_line.decode(line) for line in lines]
        except NOT_STRICT:
            return found_in(lines, _observation, self.max_rows, stream_id)
        return strict_in(rows, self.max_rows, stream_id)


def encode_lines(rows: list[Verdict | Refused]) -> bytes:
    """Encode an answer, one verdict or refusal a line."""
    return b"".join(encode(row) + b"\n" for row in rows)


def _observation(line: bytes) -> Row:
    # what the strict decoder refuses is read once more below, to say why
    with suppress(*NOT_STRICT):
        return _line.decode(line)
    try:
        return observation_of(parsed(line))
    except MalformedJSON as error:
        return RowError("invalid-observation", str(error))
