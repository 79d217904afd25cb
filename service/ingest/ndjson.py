"""From NDJSON to columns: one observation a line; a line that is no JSON spoils no other."""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from service.engine.errors import RowError
from service.ingest.decode import Decoded, JSONDecoder, Rows, check_size, observation_of, parsed
from service.ingest.encode import encode
from service.ingest.errors import MalformedJSON
from service.ingest.schemas import Observation, Refused, Verdict

_LINES: Final = re.compile(rb"\S[^\n]*")
"""From a line's first character that is no space to its end, so blank lines are passed over."""
_line = msgspec.json.Decoder(Observation)


@dataclass(frozen=True, slots=True, kw_only=True)
class NDJSONDecoder(JSONDecoder):
    """Decodes bodies of one observation a line."""

    def body(self, data: bytes, *, stream_id: str | None = None, explain: bool = False) -> Decoded:
        """Decode the body of a request.

        Args:
            data: The bytes.
            stream_id: The stream the path names, if it does.
            explain: Whether every verdict gets contributors.

        Raises:
            RequestError: If there is no line in it, or too many are.
        """
        lines: list[bytes] = _LINES.findall(data)
        check_size(len(lines), self.max_rows)
        rows = Rows(len(lines), is_single=False)
        for place, line in enumerate(lines):
            rows.put(place, _observation(line))
        return self._decoded(rows, stream_id, explain=explain)


def encode_lines(rows: list[Verdict | Refused]) -> bytes:
    """Encode an answer, one verdict or refusal a line."""
    return b"".join(encode(row) + b"\n" for row in rows)


def _observation(line: bytes) -> Observation | RowError:
    # what the strict decoder refuses is read once more below, to say why
    with suppress(msgspec.MsgspecError, UnicodeError):
        return _line.decode(line)
    try:
        return observation_of(parsed(line))
    except MalformedJSON as error:
        return RowError("invalid-observation", str(error))
