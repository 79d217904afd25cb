"""Series of single streams: which streams have them, and their text.

With a hundred thousand streams every operation in Python for each of them at each scrape would
take longer than all else on the page, and hold up the loop meanwhile. So the streams that are
chosen are found by numpy, what depends on a stream's name alone is found once a stream, and the
text of the numbers is made by the JSON encoder, some thousands at a time.
"""

import re
import time
from collections.abc import Iterator, Sequence
from fnmatch import translate
from typing import Any, Final

import msgspec
import numpy as np

from models.blocks import Bool, Float64, Int
from service.engine.census import Census
from service.engine.model import Model, Stream
from service.sinks.places import joined, largest, split

STAY_S: Final = 3600.0
"""A stream that came among the worst is exported for at least so long."""
CHUNK: Final = 1024
"""Streams whose series are written in half a millisecond."""
_PAUSE_S: Final = 1e-4
_FAMILIES: Final = (
    ("score", "stepwatch_stream_score", "gauge", "Last score."),
    ("threshold", "stepwatch_stream_threshold", "gauge", "Last threshold."),
    ("anomalies", "stepwatch_stream_anomalies_total", "counter", "Anomalies."),
)
_SILENT: Final = "stepwatch_stream_silent_seconds"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class StreamSeries:
    """Score, threshold and anomalies of chosen streams; used by one thread at a time.

    Args:
        export: Patterns of streams that always have series of their own.
        worst: How many other streams have them: those of the highest severity now, and at most
            as many again that were among those within the hour.

    Attributes:
        left_out: Streams without series, at the last scrape.
    """

    def __init__(self, *, export: Sequence[str], worst: int) -> None:
        patterns = "|".join(map(translate, export))
        self._export = re.compile(patterns) if patterns else None
        self._worst = worst
        self._known: dict[Model, _Known] = {}
        self.left_out = 0

    def text(self, census: list[Census], silence_s: Sequence[Float64], now: float) -> list[bytes]:
        """Give the text of all series, in parts.

        Args:
            census: All streams.
            silence_s: For how long each stream has been silent; NaN where it is not.
            now: Monotonic seconds.
        """
        chosen = self.chosen(census, now)
        pause()
        self.left_out = sum(len(part.slots) for part in census) - sum(map(len, chosen))
        lines: dict[str, list[bytes]] = {name: [] for _, name, *_ in _FAMILIES}
        for part, rows in zip(census, chosen, strict=True):
            for some in _chunks(rows):
                labels = self._known[part.model].labels(part.slots[some])
                for column, name, *_ in _FAMILIES:
                    lines[name].append(_lines(name, labels, part.record[column][some]))
            self._known[part.model].forget_labels(part.slots[rows])
        parts: list[bytes] = []
        for _, name, kind, about in _FAMILIES:
            parts.append(_head(name, kind, about))
            parts += lines[name]
        return [*parts, *self._silent(census, silence_s)]

    def _silent(self, census: list[Census], silence_s: Sequence[Float64]) -> Iterator[bytes]:
        """Give the series of silent streams; those that went last: some are gone for good."""
        yield _head(_SILENT, "gauge", "Time since the last observation of a silent stream.")
        latest = largest(-joined(silence_s), self._worst, above=-np.inf)
        rows = split(latest, map(len, silence_s))
        for part, seconds, some in zip(census, silence_s, rows, strict=True):
            if len(some):
                labels = self._known[part.model].labels(part.slots[some])
                yield _lines(_SILENT, labels, seconds[some].round(3))

    def chosen(self, census: list[Census], now: float) -> list[Int]:
        """Choose the rows of each part that have series, ascending."""
        self._known = {part.model: self._known.get(part.model, _Known()) for part in census}
        for part in census:
            self._known[part.model].follow(part, self._export)
        pause()
        known = [self._known[part.model] for part in census]
        sizes = [len(part.slots) for part in census]
        severity = joined(map(_severity, census))
        pause()
        rows = split(largest(severity, self._worst), sizes)
        pause()
        worst = [part.slots[some] for part, some in zip(census, rows, strict=True)]
        recent = [one.renewed(slots, now) for one, slots in zip(known, worst, strict=True)]
        since = joined(one.since[slots] for one, slots in zip(known, recent, strict=True))
        lately = split(largest(since, self._worst, above=-np.inf), map(len, recent))
        return [
            _rows(part, np.flatnonzero(one.is_wanted), now_worst, slots[some])
            for part, one, now_worst, slots, some in zip(
                census, known, worst, recent, lately, strict=True
            )
        ]


class _Known:
    """What is remembered of the streams of one model, by slot.

    Attributes:
        is_wanted: Whether the name fits a pattern.
        since: When each was last among the worst.
    """

    def __init__(self) -> None:
        self.is_wanted: Bool = np.zeros(0, np.bool_)
        self.since: Float64 = np.zeros(0)
        self._labels: dict[int, bytes] = {}
        self._held: Sequence[Stream | None] = []

    def follow(self, part: Census, export: re.Pattern[str] | None) -> None:
        """Forget streams that are no longer where they were, and look at those that are new."""
        if part.held is self._held:  # as nearly always: a census copies them if they change
            return
        self._grow(len(part.held))
        # of further streams only the patterns could say anything
        size = len(part.held) if export else len(self._held)
        for first in range(0, size, CHUNK):
            old, new = self._held[first : first + CHUNK], part.held[first : first + CHUNK]
            if old == new:
                continue
            for slot, stream in enumerate(new, first):
                if slot < len(self._held) and self._held[slot] is stream:
                    continue
                self._labels.pop(slot, None)
                self.since[slot] = -np.inf
                is_fit = stream and export and export.match(stream.stream_id)
                self.is_wanted[slot] = bool(is_fit)
            pause()
        self._held = part.held

    def renewed(self, worst: Int, now: float) -> Int:
        """Note that these are among the worst now; gives the others that were lately."""
        self.since[worst] = -np.inf
        others = np.flatnonzero(self.since > now - STAY_S)
        self.since[worst] = now
        return others

    def labels(self, slots: Int) -> list[bytes]:
        """Give the labels of streams, with the space behind them."""
        known = self._labels
        return [known.get(slot) or self._label(slot) for slot in slots.tolist()]

    def forget_labels(self, slots: Int) -> None:
        """Forget the labels of all streams but these, once there are far more than of these."""
        if len(self._labels) > CHUNK + 2 * len(slots):
            self._labels = {slot: self._labels[slot] for slot in slots.tolist()}

    def _label(self, slot: int) -> bytes:
        stream = self._held[slot]
        if stream is None:
            raise RuntimeError("this is a bug: a slot that is free has no series")
        model, name = (text.translate(_ESCAPES) for text in (stream.model.name, stream.stream_id))
        label = f'{{model="{model}",stream="{name}"}} '.encode()
        self._labels[slot] = label
        return label

    def _grow(self, size: int) -> None:
        more = size - len(self.since)
        if more > 0:
            self.is_wanted = np.concatenate([self.is_wanted, np.zeros(more, np.bool_)])
            self.since = np.concatenate([self.since, np.full(more, -np.inf)])


def _head(name: str, kind: str, about: str) -> bytes:
    return f"# HELP {name} {about}\n# TYPE {name} {kind}\n".encode()


def _lines(name: str, labels: list[bytes], numbers: Any) -> bytes:
    """Write one sample a line."""
    texts = msgspec.json.encode(numbers.tolist())[1:-1].split(b",")
    if numbers.dtype.kind == "f":
        for at in np.flatnonzero(~np.isfinite(numbers)).tolist():  # null, as JSON has it
            texts[at] = _SPECIAL[str(numbers[at])]
    pieces = [name.encode()] * (4 * len(labels))
    pieces[1::4], pieces[2::4], pieces[3::4] = labels, texts, [b"\n"] * len(labels)
    return b"".join(pieces)


_SPECIAL: Final = {"nan": b"NaN", "inf": b"+Inf", "-inf": b"-Inf"}


def _severity(part: Census) -> Float64:
    """Last score over last threshold, -1 where either is unknown."""
    score, threshold = part.record["score"], part.record["threshold"]
    severity = np.full(len(score), -1.0)
    np.divide(score, threshold, out=severity, where=threshold > 0)
    return severity


def _rows(part: Census, *slots: Int) -> Int:
    """Find the rows of slots, as far as their streams are still there."""
    is_chosen = np.zeros(len(part.slots), np.bool_)
    for some in slots:
        inside = some[some <= part.slots.max(initial=-1)]
        rows = np.searchsorted(part.slots, inside)
        is_chosen[rows[part.slots[rows] == inside]] = True
    return np.flatnonzero(is_chosen)


def _chunks(rows: Int) -> Iterator[Int]:
    """Go through rows some at a time, letting the loop have its turn in between.

    This thread holds Python's lock while it works. The loop, waiting for it, is given it only
    every five milliseconds; between two chunks it gets it at once. A sleep of no time would not
    do: whoever slept is back before the other has woken up.
    """
    for first in range(0, len(rows), CHUNK):
        yield rows[first : first + CHUNK]
        pause()


def pause() -> None:
    """Let the loop have its turn."""
    time.sleep(_PAUSE_S)
