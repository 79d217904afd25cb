"""A plain model of the whole service: which streams are here, away and stored, one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from models.bank import StreamBank
from models.blocks import NO_SEQ, NO_TIME, Float64, Refusal, unfit
from models.options import StreamOptions
from service.engine.errors import BANK_REFUSALS
from service.engine.stream_options import with_options
from tests.fakes import block
from tests.property.plain import NEVER, SLOT, Said, Twin, new_stream
from tests.property.storing import Holdings

WIDTH: Final = 3
EVICT_AFTER_S: Final = 60.0
MAX_STREAMS: Final = 3
RETRY_S: Final = 1.0


class Unavailable(Exception):  # noqa: N818 - says what a stream is
    """A stream that is away and can't be brought back now."""


@dataclass(frozen=True)
class Row:
    """One observation."""

    stream_id: str
    values: Float64
    time: int = NO_TIME
    seq: int = NO_SEQ


@dataclass(kw_only=True)
class World(Holdings):
    """What the engine and its store should hold.

    Attributes:
        banks: That of each model, without streams.
        default: Name of the default model.
        options: What streams get nobody said anything about.
        evicted: Streams that the engine let go in this step: among equals these go.
    """

    banks: dict[str, StreamBank]
    default: str
    options: StreamOptions
    evicted: set[str] = field(default_factory=set)
    retry_at: float = 0.0

    def send(self, rows: Sequence[Row], arrival: int) -> list[Said]:
        """Take the rows of one request, one after another."""
        if self.away or MAX_STREAMS - len(self.here) < len(rows):
            self.recall(row.stream_id for row in rows)
        by_width = sorted(range(len(rows)), key=lambda at: len(rows[at].values) != WIDTH)
        refused = {at: error for at in by_width if (error := self._refusal(rows[at]))}
        routed = [at for at in range(len(rows)) if at not in refused]
        for at in routed:
            self.here[rows[at].stream_id].touch(self.now)
        return [
            Said(refused[at]) if at in refused else self._taken(rows[at], arrival)
            for at in range(len(rows))
        ]

    def _taken(self, row: Row, arrival: int) -> Said:
        sent = block(0, row.values, times=[row.time], seqs=[row.seq], arrival=arrival)
        return self.here[row.stream_id].take(sent)

    def _refusal(self, row: Row) -> str:
        """Say why a row reaches no bank; the stream it is for is created where it may be."""
        stream_id, is_wide = row.stream_id, len(row.values) != WIDTH
        if stream_id in self.here:
            return "wrong-width" if is_wide else ""
        if error := self._not_admitted(stream_id):
            return error
        if is_wide:
            return "wrong-width"
        reason = Refusal(int(unfit(row.values[None], np.array([row.time]))[0]))
        if reason is not Refusal.NONE:
            return BANK_REFUSALS[reason].type
        self._create(stream_id, {})
        return ""

    def _not_admitted(self, stream_id: str) -> str:
        is_full = len(self.here) >= MAX_STREAMS
        if stream_id in self.away:
            is_packed = is_full and self._idle() is None
            return "too-many-streams" if is_packed else "snapshot-unavailable"
        return "too-many-streams" if is_full and self._idle() is None else ""

    def _create(self, stream_id: str, own: dict[str, Any]) -> None:
        if len(self.here) >= MAX_STREAMS:
            assert self.evict()
        name, options = self._resolved(own)
        stream = new_stream(stream_id, name, self.banks[name], options, own)
        stream.model.bank.start(SLOT, options)
        self.here[stream_id] = twin = Twin(stream, self.now)
        twin.begin(self.now)

    def _resolved(self, own: dict[str, Any]) -> tuple[str, StreamOptions]:
        changes = {name: value for name, value in own.items() if name != "model"}
        return own.get("model", self.default), with_options(self.options, changes)

    def put(self, stream_id: str, own: dict[str, Any]) -> str:
        """Create or change a stream; gives why it could not be."""
        if stream_id in self.away:
            self.find(stream_id)
        twin = self.here.get(stream_id)
        if twin is None:
            if error := self._not_admitted(stream_id):
                return error
            self._create(stream_id, own)
            return ""
        old = twin.stream.own
        kept = {"model": old["model"]} if "model" in old else {}
        if own.get("model", twin.stream.model.name) != twin.stream.model.name:
            self.delete(stream_id)
            self._create(stream_id, own)
            return ""
        twin.stream.own = kept | own
        _, twin.stream.options = self._resolved(kept | own)
        twin.bank.configure(SLOT, twin.stream.options)
        twin.touch(self.now)
        return ""

    def find(self, stream_id: str) -> Twin | None:
        """Look a stream up, which brings it back."""
        if stream_id in self.away:
            self.recall([stream_id])
        if stream_id in self.away:
            is_packed = len(self.here) >= MAX_STREAMS and self._idle() is None
            raise Unavailable("too-many-streams" if is_packed else "not-ready")
        return self.here.get(stream_id)

    def delete(self, stream_id: str) -> None:
        """Forget a stream that is here."""
        twin = self.here.pop(stream_id)
        twin.close_alert()
        self.gone.add(stream_id)

    def reset(self, twin: Twin) -> None:
        """Begin a stream anew."""
        options = with_options(twin.stream.options, {"start": "own"})
        twin.bank.start(SLOT, options)
        twin.close_alert()
        twin.touch(self.now)
        twin.begin(self.now)

    def reload(self, name: str, bank: StreamBank) -> None:
        """Replace the bank of a model."""
        self.banks[name] = bank
        for twin in self.here.values():
            if twin.stream.model.name == name:
                twin.wash_out(bank)
                twin.begin(self.now)

    def recall(self, stream_ids: Iterable[str]) -> None:
        """Bring back those that are away, as far as there is room."""
        wanted = []
        for stream_id in dict.fromkeys(stream_ids):
            if stream_id in self.here:
                self.here[stream_id].arrived = self.now
            elif stream_id in self.away:
                wanted.append(stream_id)
        room = max(MAX_STREAMS - len(self.here), 0)
        while room < len(wanted) and self.evict():
            room += 1
        back = wanted[:room]
        if self.now < self.retry_at:
            return
        if "load" in self.failing and not self.leaving.issuperset(back):
            self.retry_at = self.now + RETRY_S
            back = [stream_id for stream_id in back if stream_id in self.leaving]
        for stream_id in back:
            self._bring_back(stream_id)

    def _bring_back(self, stream_id: str) -> None:
        left = self.away.pop(stream_id)
        if stream_id in self.leaving:
            self.leaving.remove(stream_id)
            self._enter(left)
            left.begin(self.now)
        elif stream_id in self.stored:
            self._enter(self.stored[stream_id].copied())

    def _enter(self, twin: Twin) -> None:
        """Let a stream go on that was stored or about to be."""
        name, options = self._resolved(twin.stream.own)
        twin.is_new, twin.since, twin.recent_since = False, NEVER, NEVER
        if twin.go_on(name, self.banks[name], options):
            twin.begin(self.now)
        twin.arrived = self.now
        self.here[twin.stream.stream_id] = twin

    def _idle(self) -> str | None:
        """Find the stream that is idle longest, if it is long enough."""
        idle = [twin for twin in self.here.values() if twin.open_alert is None]
        first = min(
            idle,
            key=lambda twin: (twin.arrived, twin.stream.stream_id not in self.evicted),
            default=None,
        )
        if first is None or self.now - first.arrived < EVICT_AFTER_S:
            return None
        return first.stream.stream_id

    def evict(self) -> bool:
        """Let that stream go; whether there was one."""
        if (stream_id := self._idle()) is None:
            return False
        self.away[stream_id] = self.here.pop(stream_id)
        self.leaving.add(stream_id)
        return True

    def start(self, here: set[str]) -> None:
        """Begin again from the store; those named are here, others away."""
        self.here, self.away, self.leaving, self.gone = {}, {}, set(), set()
        self.retry_at = 0.0
        for stream_id, twin in self.stored.items():
            if stream_id in here:
                self._enter(twin.copied())
            else:
                self.away[stream_id] = twin
