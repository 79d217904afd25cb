"""A model that serves: its bank, and the streams in the bank's slots."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from models.bank import StreamBank
from models.blocks import Int
from models.options import StreamOptions
from service.engine.changes import Changes

_NAMES_TOLD: Final = 10


@dataclass(slots=True, eq=False)
class Stream:
    """One stream: its name, where its state lies, and what may differ from others.

    Equal by identity: a stream that was deleted and came back is another one.

    Attributes:
        own: What was PUT on it, by name; above what its rule or everybody gets.
        options: All options as they count now.
        created_at: Microseconds UTC.
    """

    stream_id: str
    model: "Model"
    slot: int
    options: StreamOptions
    created_at: int
    own: dict[str, Any] = field(default_factory=dict)


class Model:
    """A bank with its name, and which stream has which of its slots. Owned by the event loop.

    Attributes:
        bank: Replaced between batches when the model is reloaded, so jobs look it up when they
            run.
        streams: By slot; None where a slot is free.
        changes: What of them is not stored yet.
    """

    def __init__(self, name: str, bank: StreamBank) -> None:
        self.name: Final = name
        self.bank = bank
        self.streams: list[Stream | None] = []
        self.changes: Final = Changes()
        self._free: list[int] = []

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics in the bank's order."""
        return self.bank.spec.metrics

    @property
    def used(self) -> int:
        """Slots that were ever handed out."""
        return len(self.streams)

    @property
    def n_streams(self) -> int:
        """Streams that are there, those included whose slot is about to be given back."""
        return self.used - len(self._free)

    def take_slot(self) -> int:
        """Hand out the slot that was given back last, or the next new one."""
        if self._free:
            return self._free.pop()
        self.streams.append(None)
        self.changes.grow(self.used)
        return self.used - 1

    def give_back(self, slot: int) -> None:
        """Take a slot back that nothing uses any more."""
        self._free.append(slot)

    def misnamed(self, metrics: tuple[str, ...]) -> str | None:
        """Say which metrics are missing or unknown, or None."""
        given, known = set(metrics), set(self.metrics)
        missing = [name for name in self.metrics if name not in given]
        unknown = [name for name in metrics if name not in known]
        parts = [("missing", missing), ("unknown", unknown)]
        told = [f"{what}: {', '.join(names[:_NAMES_TOLD])}" for what, names in parts if names]
        if not told:
            return None
        hint = "; send null for a metric that has no value" if missing else ""
        return f"the metrics of model '{self.name}' do not match: {'; '.join(told)}{hint}"

    def order_of(self, metrics: tuple[str, ...]) -> list[int]:
        """Find the columns that stand in the bank's order; `metrics` is known to match."""
        place = {name: at for at, name in enumerate(metrics)}
        return [place[name] for name in self.metrics]


def slots_of(streams: Sequence[Stream]) -> Int:
    """Name the slots of streams of one model, `[B]`."""
    return np.fromiter((stream.slot for stream in streams), np.int64, len(streams))
