"""Which streams there are: names, models and slots."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from models.options import StreamOptions
from service.engine.errors import (
    SNAPSHOT_UNAVAILABLE,
    InvalidOption,
    NotAdmitted,
    RowError,
    UnknownModel,
    UnknownStream,
)
from service.engine.model import Model, Stream
from service.engine.places import Placed, Places
from service.engine.rules import StreamRule, check_models, first_match
from service.engine.stream_options import with_options

ROUTE_WORDS: Final = ("observations", "reset", "accept-baseline")
"""Last parts of our own routes: no stream id may end in one."""
_ID: Final = re.compile(r"[A-Za-z0-9._:@+\-/]{1,200}")


def id_error(stream_id: str) -> str | None:
    """Say what is wrong with an id, or None."""
    if not _ID.fullmatch(stream_id):
        return "an id is 1 to 200 characters of A-Z a-z 0-9 . _ : @ + - /"
    parts = stream_id.split("/")
    if "" in parts:
        return "an id has no leading, trailing or double slash"
    if parts[-1] in ROUTE_WORDS or {".", ".."} & set(parts):
        return f"an id does not end in {', '.join(ROUTE_WORDS)} and has no part '.' or '..'"
    return None


class Directory:
    """All streams of all models. Only the event loop touches it.

    Args:
        models: By name.
        default_model: Serves streams nobody said anything about; None: they are refused.
        options: What a stream gets nobody said anything about.
        max_streams: Streams of all models together.
        rules: What new streams get by their names; the first that matches goes above the defaults.

    Attributes:
        away: Streams that are not here but in the store, those that left first first.
        returning: Streams on their way back, each with a place kept for it.
        idle: Finds the stream that may go when no further one may come in.
        let_go: Lets it go.

    Raises:
        UnknownModel: If a rule names a model that is not loaded.
    """

    def __init__(
        self,
        models: dict[str, Model],
        *,
        default_model: str | None,
        options: StreamOptions,
        max_streams: int,
        rules: Sequence[StreamRule] = (),
    ) -> None:
        check_models(rules, models)
        self.models: Final = models
        self.options: Final = options
        self.max_streams: Final = max_streams
        self.default: Final = models.get(default_model or "")
        self._rules = tuple(rules)
        self._streams: dict[str, Stream] = {}
        self._places = Places(self._streams)
        self.away: dict[str, None] = {}
        self.returning: set[str] = set()
        self.idle: Callable[[], Stream | None] = lambda: None
        self.let_go: Callable[[Stream], None] = self.remove

    def __len__(self) -> int:
        """Count the streams."""
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        """Go through the streams in the order they were created."""
        return iter(self._streams.values())

    def find(self, stream_id: str) -> Stream:
        """Look a stream up.

        Raises:
            UnknownStream: If it is not there.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            raise UnknownStream(stream_id)
        return stream

    def model(self, name: str) -> Model:
        """Look a model up.

        Raises:
            UnknownModel: If it is not loaded.
        """
        if name not in self.models:
            raise UnknownModel(name, sorted(self.models))
        return self.models[name]

    def defaults_of(self, stream_id: str) -> tuple[Model | None, StreamOptions]:
        """Give what a stream gets where no PUT says otherwise: its rule's, else everybody's."""
        rule = first_match(self._rules, stream_id)
        if rule is None:
            return self.default, self.options
        return self.default if rule.model is None else self.models[rule.model], rule.options

    def page(self, after: str, limit: int) -> list[Stream]:
        """List streams in the order of their ids, beginning behind `after`."""
        ids = sorted(stream_id for stream_id in self._streams if stream_id > after)
        return [self._streams[stream_id] for stream_id in ids[:limit]]

    def resolved(self, stream_id: str, own: dict[str, Any]) -> tuple[Model | None, StreamOptions]:
        """Give model and options of a stream: what was PUT on it above its rule's.

        Args:
            stream_id: A name, whether the stream is there or not.
            own: What was PUT, by name: `model` and fields of `StreamOptions`.

        Raises:
            UnknownModel: If the named model is not loaded.
            InvalidOption: If an option is unknown or out of its range.
        """
        model, options = self.defaults_of(stream_id)
        changes = dict(own)
        chosen = changes.pop("model", None)
        return self.model(chosen) if chosen else model, with_options(options, changes)

    def create(self, stream_id: str, own: dict[str, Any], at: int) -> Stream:
        """Make a stream; its slot still has to be started by the bank.

        Raises:
            NotAdmitted: If the id is not valid, the limit is reached or no model serves it.
            InvalidOption: If the stream is there already, or an option is not valid.
            UnknownModel: If the named model is not loaded.
        """
        if stream_id in self._streams:
            raise InvalidOption(f"there is a stream '{stream_id}' already")
        model, options = self.resolved(stream_id, own)
        admitted = self.admit(stream_id, model)
        if isinstance(admitted, RowError):
            raise NotAdmitted(admitted)
        self.make_room()
        return self.add(stream_id, admitted, options, at, own)

    @property
    def is_full(self) -> bool:
        """Whether no further stream may be created."""
        return len(self._streams) + len(self.returning) >= self.max_streams

    def remove(self, stream: Stream) -> None:
        """Forget a stream; its slot is for the caller to give back once nothing uses it."""
        self._places.forget()
        del self._streams[stream.stream_id]
        stream.model.streams[stream.slot] = None
        stream.model.changes.leave(stream.slot)

    def get(self, stream_id: str) -> Stream | None:
        """Look a stream up that need not be there."""
        return self._streams.get(stream_id)

    def placed(self, stream_ids: tuple[str, ...]) -> Placed | None:
        """Look up streams that are all there and of one model; None if they are not."""
        return self._places.of(stream_ids)

    def admit(self, stream_id: str, model: Model | None) -> Model | RowError:
        """Give the model that is to serve a stream nobody knows yet, or why it may not come in."""
        if error := id_error(stream_id):
            return RowError("invalid-id", error)
        if model is None:
            return self._no_model()
        if stream_id in self.away:
            return self.away_error(stream_id)
        return self.room_for_one() or model

    def room_for_one(self) -> RowError | None:
        """Say why no further stream may come in, or None."""
        return self._too_many() if self.is_full and self.idle() is None else None

    def away_error(self, stream_id: str) -> RowError:
        """Say why a stream that is away has not come back: there is no room, or it takes longer."""
        if stream_id in self.returning:
            return SNAPSHOT_UNAVAILABLE
        return self.room_for_one() or SNAPSHOT_UNAVAILABLE

    def make_room(self) -> None:
        """Let an idle stream go, if none may come in otherwise; for one that was admitted."""
        if self.is_full and (stream := self.idle()) is not None:
            self.let_go(stream)

    def add(
        self,
        stream_id: str,
        model: Model,
        options: StreamOptions,
        at: int,
        own: dict[str, Any] | None = None,
    ) -> Stream:
        """Enter a stream that was admitted; its slot still has to be started by the bank."""
        stream = Stream(stream_id, model, model.take_slot(), options, at, own or {})
        model.streams[stream.slot] = stream
        self._places.forget()
        self._streams[stream_id] = stream
        self.returning.discard(stream_id)
        return stream

    def _no_model(self) -> RowError:
        there = ", ".join(sorted(self.models)) or "none; train one with 'stepwatch train'"
        return RowError(
            "no-model",
            "no model serves this stream: PUT /v1/streams/{id} with a model, add a pattern to the "
            f"settings file, or start the service with --default-model; models loaded: {there}",
        )

    def _too_many(self) -> RowError:
        return RowError(
            "too-many-streams",
            f"{self.max_streams} streams are the limit (STEPWATCH_MAX_STREAMS) and none is idle; "
            "delete some first",
        )
