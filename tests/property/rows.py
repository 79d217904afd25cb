"""Rows for streams: good ones and bad ones, as a gateway or a broken one would send them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from hypothesis import strategies as st

from models.blocks import MAX_TIME, NO_SEQ, NO_TIME, Float64
from tests.property.world import Row

MINUTE: Final = 60_000_000
GOOD: Final = ("good", "good", "good", "numbered", "undated", "spike", "spike", "missing", "gap")
BAD: Final = (
    "wide",
    "infinite",
    "mostly-missing",
    "huge-time",
    "before",
    "same-time",
    "same-seq",
    "lower-seq",
)
STEPS: Final = {"gap": 1000 * MINUTE, "before": -1, "same-time": 0}
NUMBERED: Final = {"numbered": 1, "same-seq": 0, "lower-seq": -1}


@dataclass(frozen=True)
class Draft:
    """A row before it has its time."""

    stream_id: str
    kind: str
    seed: int


def drafts(ids: Sequence[str]) -> st.SearchStrategy[Draft]:
    """Draw rows, most of them good."""
    kinds = st.sampled_from(GOOD) | st.sampled_from((*GOOD, *BAD))
    return st.builds(Draft, st.sampled_from(ids), kinds, st.integers(0, 50))


@dataclass
class Writer:
    """Gives rows their times and numbers; knows the last of each stream."""

    times: dict[str, int] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)

    def row(self, draft: Draft, now: int) -> Row:
        """Make a row of a draft."""
        stream_id, kind = draft.stream_id, draft.kind
        last = self.times.get(stream_id, now)
        time = last + STEPS.get(kind, MINUTE)
        seq = self.seqs.get(stream_id, 5) + NUMBERED[kind] if kind in NUMBERED else NO_SEQ
        self.seqs[stream_id] = max(seq, self.seqs.get(stream_id, 5))
        # an undated row gets a time that is at most this, as long as the clock stands
        self.times[stream_id] = max(last, time)
        if kind == "undated":
            self.times[stream_id] = max(last + MINUTE, now + MINUTE)
            time = NO_TIME
        if kind == "huge-time":
            time = MAX_TIME + 1
        return Row(stream_id, values_of(draft), time, seq)


def values_of(draft: Draft) -> Float64:
    """Draw the values of a row."""
    values = np.random.default_rng(draft.seed).uniform(0.0, 1.0, 3)
    changes = {
        "spike": [50.0, -50.0, 50.0],
        "missing": [values[0], np.nan, values[2]],
        "infinite": [values[0], np.inf, values[2]],
        "mostly-missing": [np.nan, np.nan, values[2]],
        "wide": [*values, 0.5],
    }
    return np.asarray(changes.get(draft.kind, values), np.float64)


def bulk(writer: Writer, stream_id: str, values: Float64, now: int) -> list[Row]:
    """Make good rows of one stream, a minute apart."""
    first = writer.times.get(stream_id, now) + MINUTE
    writer.times[stream_id] = first + MINUTE * len(values)
    return [Row(stream_id, row, first + MINUTE * at) for at, row in enumerate(values)]
