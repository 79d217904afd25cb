import numpy as np
import pytest

from models.blocks import MAX_TIME
from service.engine.columns import Columns
from service.engine.directory import Directory
from service.engine.errors import RowError
from service.engine.routing import Routing
from tests.engines import METRICS, columns, make_directory, make_model, request
from tests.fakes import ARRIVAL

GOOD = [0.1, 0.2, 0.3]
NAN = float("nan")


def route(directory: Directory, *parts: Columns) -> Routing:
    return Routing(directory, request(*parts), ARRIVAL)


def types(routing: Routing) -> dict[int, str]:
    return {place: error.type for place, error in routing.errors.items()}


@pytest.fixture
def directory() -> Directory:
    return make_directory()


@pytest.fixture
def two_models() -> Directory:
    """A stream "pump" of three metrics and a stream "fan" of two; new ones are pumps."""
    directory = make_directory(make_model("pumps"), make_model("fans", 2))
    for stream_id, model in (("pump", "pumps"), ("fan", "fans")):
        directory.create(stream_id, {"model": model}, 0)
    return directory


def test_a_good_row_creates_its_stream(directory: Directory) -> None:
    """Once, however many rows of it there are, with the options that hold for all."""
    routing = route(directory, columns(["a", "b", "a"], [GOOD] * 3))
    assert [stream.stream_id for stream in routing.created] == ["a", "b"]
    (routed,) = routing.routed
    assert routed.block.slots.tolist() == [0, 1, 0]
    assert [stream.stream_id for stream in routed.streams] == ["a", "b", "a"]
    assert directory.find("a").options is directory.options
    assert directory.find("a").created_at == ARRIVAL
    assert route(directory, columns("a", [GOOD])).created == []


@pytest.mark.parametrize(
    ("stream_id", "values", "time", "metrics", "error"),
    [
        ("a", GOOD[:2], 1, None, "wrong-width"),
        ("a", [], 1, None, "wrong-width"),
        ("a", GOOD, 1, ("m0", "m1", "x"), "metric-names"),
        ("a", [], 1, (), "metric-names"),
        ("a", [NAN, NAN, 0.5], 1, None, "too-many-missing"),
        ("a", [0.1, float("inf"), 0.5], 1, None, "not-finite"),
        ("a", [0.1, 1.1e300, 0.5], 1, None, "not-finite"),
        ("a", GOOD, MAX_TIME + 1, None, "invalid-timestamp"),
        ("a", GOOD, -MAX_TIME - 1, None, "invalid-timestamp"),
        ("a/reset", GOOD, 1, None, "invalid-id"),
        ("a//b", GOOD, 1, None, "invalid-id"),
        ("", GOOD, 1, None, "invalid-id"),
        ("x" * 201, GOOD, 1, None, "invalid-id"),
        ("a\ud800", GOOD, 1, None, "invalid-id"),
    ],
)
def test_a_bad_row_creates_no_stream(
    directory: Directory,
    *,
    stream_id: str,
    values: list[float],
    time: int,
    metrics: tuple[str, ...] | None,
    error: str,
) -> None:
    """It is refused in its place and takes no slot."""
    routing = route(directory, columns(stream_id, [values], times=[time], metrics=metrics))
    assert types(routing) == {0: error}
    assert not routing.routed
    assert not routing.created
    assert len(directory) == directory.models["pumps"].used == 0


@pytest.mark.parametrize("stream_id", ["a", "x" * 200, "plant-a/line/7", "observations/1"])
def test_ids_that_are_fine(directory: Directory, stream_id: str) -> None:
    """From 1 to 200 characters, with slashes, route words not at the end."""
    assert len(route(directory, columns(stream_id, [GOOD])).routed[0].rows) == 1


def test_only_the_first_good_row_creates(directory: Directory) -> None:
    """Bad rows before it are refused here, those after it are for the bank to judge."""
    values: list[list[float]] = [[NAN, NAN, 0.5], GOOD, [NAN, NAN, 0.5]]
    routing = route(directory, columns("a", values))
    assert types(routing) == {0: "too-many-missing"}
    assert routing.routed[0].rows.tolist() == [1, 2]


def test_at_the_limit_known_streams_are_still_served() -> None:
    """Only what would create a stream beyond `max_streams` is refused."""
    directory = make_directory(max_streams=2)
    routing = route(directory, columns(["a", "b", "c", "a"], [GOOD] * 4))
    assert types(routing) == {2: "too-many-streams"}
    assert routing.routed[0].rows.tolist() == [0, 1, 3]
    assert len(directory) == 2


def test_without_a_default_model_new_streams_are_refused() -> None:
    """Streams that were made with a model are served all the same."""
    directory = make_directory(default=None)
    directory.create("known", {"model": "pumps"}, 0)
    routing = route(directory, columns(["known", "new"], [GOOD] * 2))
    assert types(routing) == {1: "no-model"}
    assert routing.routed[0].rows.tolist() == [0]


def test_lists_and_dicts_of_one_stream_keep_their_order(directory: Directory) -> None:
    """However the metrics were given, rows come out as sent and in the model's order."""
    routing = route(
        directory,
        columns("a", [[0.0, 0.0, 0.0], [3.0, 3.1, 3.2]], rows=[0, 3], times=[10, 13]),
        columns("a", [[1.2, 1, 1.1]], rows=[1], times=[11], metrics=("m2", "m0", "m1")),
        columns("a", [[2.1, 2, 2.2]], rows=[2], times=[12], metrics=("m1", "m0", "m2")),
    )
    (routed,) = routing.routed
    assert routed.rows.tolist() == [0, 1, 2, 3]
    assert routed.block.times.tolist() == [10, 11, 12, 13]
    assert routed.block.values[1:].tolist() == [[1, 1.1, 1.2], [2, 2.1, 2.2], [3, 3.1, 3.2]]
    assert len(routed.streams) == 4
    assert [stream.stream_id for stream in routing.created] == ["a"]


def test_each_row_goes_to_the_bank_of_its_stream(two_models: Directory) -> None:
    """One block a model, whatever columns the rows came in."""
    routing = route(
        two_models,
        columns(["pump", "new"], [GOOD, GOOD], rows=[0, 3]),
        columns(["fan", "fan"], [[1, 2], [3, 4]], rows=[1, 2]),
    )
    assert routing.errors == {}
    by_model = {routed.model.name: routed.rows.tolist() for routed in routing.routed}
    assert by_model == {"pumps": [0, 3], "fans": [1, 2]}


def test_known_streams_are_told_of_wrong_metrics(two_models: Directory) -> None:
    """The same columns may fit one model and not the other."""
    routing = route(
        two_models,
        columns(["pump", "fan"], [GOOD, GOOD], rows=[0, 1]),
        columns(["fan", "pump"], [[1, 2], [3, 4]], rows=[2, 3], metrics=("m1", "m0")),
    )
    assert types(routing) == {1: "wrong-width", 3: "metric-names"}
    assert "'fans' takes 2: m0, m1" in routing.errors[1].detail
    assert "missing: m2; send null" in routing.errors[3].detail
    blocks = {routed.model.name: routed.block.values.tolist() for routed in routing.routed}
    assert blocks == {"pumps": [GOOD], "fans": [[2, 1]]}


def test_many_metrics_are_not_all_told() -> None:
    """The detail stays short for wide models."""
    directory = make_directory(make_model(n_features=30))
    routing = route(directory, columns("a", [GOOD]))
    assert routing.errors[0].detail.endswith("m9, ...")
    names = tuple(f"x{number}" for number in range(500))
    routing = route(directory, columns("a", np.zeros((1, 500)), metrics=names))
    assert len(routing.errors[0].detail) < 250


def test_errors_of_the_decoder_stay_in_their_place(directory: Directory) -> None:
    """They join those found here; the request itself is left as it was."""
    decoded = {1: RowError("invalid-observation", "no object")}
    parts = [columns(["a", "b/"], [GOOD, GOOD], rows=[0, 2])]
    whole = request(*parts, errors=decoded, explain=True)
    routing = Routing(directory, whole, ARRIVAL)
    assert types(routing) == {1: "invalid-observation", 2: "invalid-id"}
    assert list(whole.errors) == [1]
    assert routing.routed[0].block.explain.tolist() == [True]


def test_metrics_named_in_the_models_order_are_the_same(directory: Directory) -> None:
    """A dict in order gives the block a list gives."""
    (by_list,) = route(directory, columns("a", [GOOD])).routed
    (by_dict,) = route(directory, columns("a", [GOOD], metrics=METRICS)).routed
    assert by_list.block.values.tolist() == by_dict.block.values.tolist() == [GOOD]
