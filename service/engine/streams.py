"""Streams one by one: found, created, changed, begun anew, deleted, looked at."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from models.bank import StreamBank
from models.blocks import Int
from models.cadence import silent
from models.checkpoint import CheckpointError
from models.options import StreamOptions
from service.engine import slot_jobs
from service.engine.batcher import Batcher
from service.engine.clock import Clock
from service.engine.conclusion import Conclusion
from service.engine.directory import Directory
from service.engine.errors import (
    SNAPSHOT_UNAVAILABLE,
    BadCheckpoint,
    NotAdmitted,
    NotReady,
    UnknownStream,
)
from service.engine.model import Model, Stream, slots_of
from service.engine.persistence import Persistence
from service.engine.succession import Succession


class Streams:
    """What is done with streams and models beside scoring; on the event loop.

    Args:
        directory: The streams and models.
        batcher: Runs what touches the slabs.
        conclusion: Resolves alerts of streams that end.
        persistence: Brings streams back that are away; None: there are none.
        clock: Wall and monotonic time.

    Attributes:
        is_ready: Whether anything may be changed; the engine says so.
    """

    def __init__(
        self,
        directory: Directory,
        batcher: Batcher,
        conclusion: Conclusion,
        persistence: Persistence | None,
        clock: Clock,
    ) -> None:
        self.is_ready = False
        self._directory: Final = directory
        self._batcher: Final = batcher
        self._conclusion: Final = conclusion
        self._persistence: Final = persistence
        self._clock: Final = clock
        self._reloading = asyncio.Lock()
        self._moving = asyncio.Lock() if persistence is None else persistence.moving

    def check_ready(self) -> None:
        """Make sure that the engine is neither starting nor stopping.

        Raises:
            NotReady: If it is.
        """
        if not self.is_ready:
            raise NotReady("the service is starting or stopping; send again in a moment")

    async def find(self, stream_id: str) -> Stream:
        """Look a stream up, and bring it back if it is away.

        Raises:
            UnknownStream: If there is none of this name.
            NotAdmitted: If it is away and there is no room for it.
            NotReady: If it is away and can't come back now, or the engine is starting.
        """
        await self._bring_back(stream_id)
        return self._directory.find(stream_id)

    async def _bring_back(self, stream_id: str) -> None:
        """Bring a stream back if it is away; one whose snapshot is no good is nowhere then."""
        self.check_ready()
        if self._persistence is not None and stream_id in self._directory.away:
            await self._persistence.recall([stream_id])
        if stream_id in self._directory.away:
            error = self._directory.away_error(stream_id)
            if error is not SNAPSHOT_UNAVAILABLE:
                raise NotAdmitted(error)
            raise NotReady(f"stream '{stream_id}' is idle and can't be brought back just now")

    async def put(self, stream_id: str, own: dict[str, Any]) -> tuple[Stream, bool]:
        """Create a stream, or change how it is judged; another model begins it anew.

        Args:
            stream_id: Its name.
            own: What is set, by name: `model` and fields of `StreamOptions`; the rest is as for
                streams nobody said anything about. `start` waits for a reset.

        Returns:
            The stream, and whether it was not there before.

        Raises:
            NotAdmitted: If the id is not valid, there are too many streams or no model serves it.
            InvalidOption: If an option is not valid.
            UnknownModel: If the named model is not loaded.
            NotReady: If the engine is starting or stopping.
        """
        await self._bring_back(stream_id)
        self.check_ready()
        stream = self._directory.get(stream_id)
        if stream is None:
            return self._create(stream_id, own), True
        kept = {"model": stream.own["model"]} if "model" in stream.own else {}
        model, options = self._directory.resolved(stream_id, kept | own)
        if "model" in own and model is not stream.model:
            # not waited for: a row that came meanwhile would create it with the default model
            self.delete(stream)
            return self._create(stream_id, own), False
        stream.own, stream.options = kept | own, options
        self._touch(stream)
        await self._batcher.run(partial(slot_jobs.configure, stream))
        return stream, False

    async def reset(self, stream: Stream) -> None:
        """Begin a stream anew, with washout on its own observations; resolve an open alert.

        Raises:
            UnknownStream: If it was deleted meanwhile.
            NotReady: If the engine is starting or stopping.
        """
        self.check_ready()
        self._check_here(stream)
        self._touch(stream)
        slots, options = slots_of([stream]), replace(stream.options, start="own")
        stream.model.changes.begin(slots, self._clock.monotonic())
        await self._batcher.run(
            partial(slot_jobs.start, stream.model, slots, options),
            then=partial(self._conclusion.close_alert, stream),
        )

    async def accept_baseline(self, stream: Stream) -> None:
        """Take a stream's last observations as its usual level; resolve an open alert.

        Raises:
            TooFewObservations: If too few of them are held; nothing changes then.
            UnknownStream: If it was deleted meanwhile.
            NotReady: If the engine is starting or stopping.
        """
        self.check_ready()
        self._check_here(stream)
        self._touch(stream)
        # a whole new window: what is stored of the old one does not count
        stream.model.changes.begin(slots_of([stream]), self._clock.monotonic())
        await self._batcher.run(
            partial(slot_jobs.accept, stream), then=partial(self._conclusion.close_alert, stream)
        )

    async def forget(self, stream_id: str) -> None:
        """Forget a stream, whether it is here or away.

        Raises:
            UnknownStream: If there is none of this name.
            NotReady: If the engine is starting or stopping.
        """
        self.check_ready()
        async with self._moving:  # it is either here or away, and not on its way
            if self._persistence is None or stream_id not in self._directory.away:
                deleted = self.delete(self._directory.find(stream_id))
            else:
                del self._directory.away[stream_id]
                self._persistence.departures.forget(stream_id)
                return
        await deleted

    def delete(self, stream: Stream) -> asyncio.Future[None]:
        """Forget a stream at once; rows of it that wait are still answered before it is done."""
        self.check_ready()
        self._directory.remove(stream)
        if self._persistence is not None:
            self._persistence.departures.forget(stream.stream_id)

        def then() -> None:
            self._conclusion.close_alert(stream)
            stream.model.give_back(stream.slot)

        return self._batcher.run(partial(slot_jobs.clear, stream), then=then)

    async def reload(self, name: str, load: Callable[[], StreamBank]) -> Model:
        """Let a model serve from what `load` gives, its streams going on; or begin to serve it.

        Args:
            name: Of the model.
            load: Reads the checkpoint; runs off the loop.

        Raises:
            BadCheckpoint: If the checkpoint can't be read or takes other metrics.
            NotReady: If the engine is starting or stopping.
        """
        self.check_ready()
        async with self._reloading:  # what was read last is swapped in last
            try:
                bank = await asyncio.to_thread(load)
            except CheckpointError as error:
                raise BadCheckpoint(str(error)) from error
            model = self._directory.models.get(name)
            if model is None:
                return self._directory.models.setdefault(name, Model(name, bank))
            async with self._moving:
                await Succession(model, bank, self._batcher, self._clock).run()
            return model

    async def inspect(self, stream: Stream) -> dict[str, Any]:
        """Read what the bank knows of one stream, as plain numbers.

        Raises:
            UnknownStream: If it was deleted meanwhile.
        """
        self._check_here(stream)
        slots = slots_of([stream])
        state = await self._batcher.run(lambda: stream.model.bank.inspect(slots))
        state["is_silent"] = silent(state, self._clock.now())
        return {name: column[0].item() for name, column in state.items()}

    def _create(self, stream_id: str, own: dict[str, Any]) -> Stream:
        stream = self._directory.create(stream_id, own, self._clock.now())
        self.start([stream])
        return stream

    def start(self, streams: Sequence[Stream]) -> None:
        """Let the banks start new streams, those with the same options at once."""
        now = self._clock.monotonic()
        groups: dict[tuple[Model, StreamOptions], list[int]] = {}
        for stream in streams:
            groups.setdefault((stream.model, stream.options), []).append(stream.slot)
        for (model, options), chosen in groups.items():
            slots: Int = np.array(chosen, np.int64)
            model.changes.begin(slots, now)
            model.changes.touch(slots, now)
            self._batcher.run(partial(slot_jobs.start, model, slots, options))

    def _check_here(self, stream: Stream) -> None:
        if stream.model.streams[stream.slot] is not stream:
            raise UnknownStream(stream.stream_id)

    def _touch(self, stream: Stream) -> None:
        stream.model.changes.touch(slots_of([stream]), self._clock.monotonic())
