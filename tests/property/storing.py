"""A plain model of what is here, away and stored, and of how it gets stored."""

from dataclasses import dataclass, field
from typing import Final

from tests.property.plain import NEVER, SLOT, Twin

EVERY_S: Final = 5.0
RECENT_EVERY_S: Final = 300.0


@dataclass(kw_only=True)
class Holdings:
    """Streams by where they are.

    Attributes:
        leaving: Streams that are away and not yet stored as they left.
        gone: Deleted streams that are still stored.
        failing: Calls of the store that fail.
        now: Monotonic seconds.
    """

    here: dict[str, Twin] = field(default_factory=dict)
    away: dict[str, Twin] = field(default_factory=dict)
    stored: dict[str, Twin] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    now: float = 0.0

    @property
    def is_unsaved(self) -> bool:
        """Whether anything is not stored."""
        changed = any(min(one.since, one.recent_since) < NEVER for one in self.here.values())
        return changed or bool(self.leaving)

    def round(self, *, everything: bool = False) -> bool:
        """Store what is due; whether all of it could be."""
        if self.gone and "delete" in self.failing:
            return False
        for stream_id in self.gone:
            self.stored.pop(stream_id, None)
        self.gone = set()
        due = [twin for twin in self.here.values() if everything or self._is_due(twin)]
        due = [twin for twin in due if min(twin.since, twin.recent_since) < NEVER]
        if "save" in self.failing:
            return not due and not self.leaving
        for stream_id in self.leaving:
            self.stored[stream_id] = self.away[stream_id].copied()
        self.leaving = set()
        for twin in due:
            self._store(twin, with_recent=everything or self._is_recent_due(twin))
        return True

    def _is_due(self, twin: Twin) -> bool:
        return twin.since <= self.now - EVERY_S or self._is_recent_due(twin)

    def _is_recent_due(self, twin: Twin) -> bool:
        return twin.recent_since <= self.now - RECENT_EVERY_S

    def _store(self, twin: Twin, *, with_recent: bool) -> None:
        stream_id = twin.stream.stream_id
        if not twin.is_new and stream_id not in self.stored:
            twin.begin(self.now)  # the store has forgotten it
            return
        copy, old = twin.copied(), self.stored.get(stream_id)
        if with_recent or twin.is_new:
            twin.recent_since = NEVER
        elif old is not None:
            copy.bank.slabs["recent"].scatter(SLOT, old.bank.slabs["recent"].gather(SLOT))
        twin.since, twin.is_new = NEVER, False
        self.stored[stream_id] = copy
