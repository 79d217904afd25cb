"""Frames to send: from a seed and a number always the same one, so that any can be had again."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from tests.fuzz import arrow_frames, json_frames
from tests.fuzz.mutations import ANY, BINARY, mutated

Kind = Literal["json", "text-frame", "ndjson", "arrow"]
KINDS: Final[tuple[Kind, ...]] = ("json", "text-frame", "ndjson", "arrow", "arrow")
_SHOWN: Final = 400
"""Bytes of a frame that are shown where it failed; the rest comes back by its number."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is sent, and how.

    Attributes:
        number: Which frame of its seed it is.
        kind: What it is sent as.
        made: How it was made: `fine`, `odd` or `mutated`.
        data: The bytes.
        stream_id: The stream the path names; None: it names none.
        explain: Whether contributors are wanted.
    """

    number: int
    kind: Kind
    made: str
    data: bytes
    stream_id: str | None
    explain: bool

    def __str__(self) -> str:
        """Tell it in a line, and how to have it again."""
        return (
            f"frame {self.number} ({self.kind}, {self.made}, path {self.stream_id}, "
            f"{len(self.data)} bytes): {self.data[:_SHOWN]!r}"
        )


def frame_of(seed: int, number: int) -> Frame:
    """Make a frame; `number` also sets its times, so that frames in order are in order."""
    random = Random((seed << 40) + number)
    kind = random.choice(KINDS)
    made = random.choices(("fine", "odd", "mutated"), (1, 3, 6))[0]
    oddness = 0.0 if made == "fine" else random.choice((0.0, 0.3)) if made == "mutated" else 0.3
    data = _WRITERS[kind](random, number, oddness)
    if made == "mutated":
        other = _WRITERS[random.choice(KINDS)](random, number, oddness)
        data = mutated(random, data, other, BINARY if kind == "arrow" else ANY)
    is_named = kind != "text-frame" and random.random() < 0.2
    stream_id = random.choice(json_frames.KNOWN) if is_named else None
    return Frame(number, kind, made, data, stream_id, random.random() < 0.2)


def _arrow(random: Random, number: int, oddness: float) -> bytes:
    is_odd = random.random() < 2 * oddness
    return (arrow_frames.odd_stream if is_odd else arrow_frames.stream)(random, number)


def _encoded(
    write: Callable[[Random, int, float], str],
) -> Callable[[Random, int, float], bytes]:
    def encode(random: Random, number: int, oddness: float) -> bytes:
        bom = "\ufeff" if random.random() < oddness / 20 else ""
        code = "utf-16" if random.random() < oddness / 20 else "utf-8"
        return (bom + write(random, number, oddness)).encode(code)

    return encode


_WRITERS: Final[dict[Kind, Callable[[Random, int, float], bytes]]] = {
    "json": _encoded(json_frames.body),
    "text-frame": _encoded(json_frames.text_frame),
    "ndjson": _encoded(json_frames.lines),
    "arrow": _arrow,
}
