"""Which streams there are: names, models and slots."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from models.bank import StreamBank
from models.options import StreamOptions
from service.engine.errors import InvalidOption, NotAdmitted, RowError, UnknownModel, UnknownStream
from service.engine.rules import StreamRule, check_models, first_match

ROUTE_WORDS: Final = ("observations", "reset", "accept-baseline")
"""Last parts of our own routes: no stream id may end in one."""
_NAMES_TOLD: Final = 10
_ID: Final = re.compile(r"[A-Za-z0-9._:@+\-/]{1,200}")


@dataclass(slots=True, eq=False)
class Stream:
    """One stream: its name, where its state lies, and what may differ from others.

    Equal by identity: a stream that was deleted and came back is another one.
    """

    stream_id: str
    model: "Model"
    slot: int
    options: StreamOptions
    created_at: int


@dataclass(slots=True, eq=False)
class Model:
    """A bank with its name, and which of its slots are taken."""

    name: str
    bank: StreamBank
    free: list[int] = field(default_factory=list)
    used: int = 0

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics in the bank's order."""
        return self.bank.spec.metrics

    def take_slot(self) -> int:
        """Hand out the slot that was given back last, or the next new one."""
        if self.free:
            return self.free.pop()
        self.used += 1
        return self.used - 1

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

    def create(
        self, stream_id: str, *, model: str | None, options: StreamOptions, at: int
    ) -> Stream:
        """Make a stream; its slot still has to be started by the bank.

        Raises:
            NotAdmitted: If the id is not valid, the limit is reached or no model serves it.
            InvalidOption: If the stream is there already.
            UnknownModel: If the named model is not loaded.
        """
        if stream_id in self._streams:
            raise InvalidOption(f"there is a stream '{stream_id}' already")
        chosen = self.defaults_of(stream_id)[0] if model is None else self.model(model)
        admitted = self.admit(stream_id, chosen)
        if isinstance(admitted, RowError):
            raise NotAdmitted(admitted)
        return self.add(stream_id, admitted, options, at)

    @property
    def is_full(self) -> bool:
        """Whether no further stream may be created."""
        return len(self._streams) >= self.max_streams

    def remove(self, stream: Stream) -> None:
        """Forget a stream; its slot is for the caller to give back once nothing uses it."""
        del self._streams[stream.stream_id]

    def get(self, stream_id: str) -> Stream | None:
        """Look a stream up that need not be there."""
        return self._streams.get(stream_id)

    def admit(self, stream_id: str, model: Model | None) -> Model | RowError:
        """Give the model that is to serve a stream nobody knows yet, or why it may not come in."""
        if error := id_error(stream_id):
            return RowError("invalid-id", error)
        if model is None:
            return self._no_model()
        return self._too_many() if self.is_full else model

    def add(self, stream_id: str, model: Model, options: StreamOptions, at: int) -> Stream:
        """Enter a stream that was admitted; its slot still has to be started by the bank."""
        stream = Stream(stream_id, model, model.take_slot(), options, at)
        self._streams[stream_id] = stream
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
            f"{self.max_streams} streams are the limit (STEPWATCH_MAX_STREAMS); delete some first",
        )


def with_options(options: StreamOptions, changes: dict[str, Any]) -> StreamOptions:
    """Change options, checked.

    Raises:
        InvalidOption: If a number is out of its range.
    """
    changed = replace(options, **changes)
    for name in ("z", "sigma_floor"):
        value = getattr(changed, name)
        if value is not None and not 0 < value < float("inf"):
            raise InvalidOption(f"{name} must be above 0, not {value}")
    return changed
