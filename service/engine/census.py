"""A census: what the banks know of all streams at one moment."""

from dataclasses import dataclass
from typing import Final

from models.base import State
from service.engine.batcher import Batcher
from service.engine.directory import Directory
from service.engine.model import Model, Stream, slots_of

MANY: Final = 1000
"""Reading more streams than this would hold the loop up."""


@dataclass(frozen=True, slots=True)
class Census:
    """Streams of one model and what the bank knows of each, `[B]` a column."""

    model: Model
    streams: list[Stream]
    record: State


async def take_census(directory: Directory, batcher: Batcher) -> list[Census]:
    """Read what the banks know of all streams, off the loop where they are many."""
    by_model: dict[Model, list[Stream]] = {m: [] for m in directory.models.values()}
    for stream in directory:
        by_model[stream.model].append(stream)
    slots = {model: slots_of(streams) for model, streams in by_model.items()}

    def read() -> list[Census]:
        return [
            Census(model, streams, model.bank.inspect(slots[model]))
            for model, streams in by_model.items()
        ]

    return await batcher.run(read, is_long=len(directory) > MANY)
