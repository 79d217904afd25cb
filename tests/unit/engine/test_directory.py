import pytest

from models.options import StreamOptions
from service.engine.directory import Directory, id_error
from service.engine.errors import InvalidOption, NotAdmitted, RowError, UnknownModel, UnknownStream
from service.engine.stream_options import with_options
from tests.engines import make_directory, make_model

OPTIONS = StreamOptions()


def create(directory: Directory, stream_id: str, model: str | None = None) -> int:
    return directory.create(stream_id, {"model": model} if model else {}, 0).slot


def test_slots_are_handed_out_in_turn_and_reused() -> None:
    """A model with n streams has used n slots; what was given back goes out first."""
    model = make_model()
    assert [model.take_slot() for _ in range(3)] == [0, 1, 2]
    for slot in (0, 1):
        model.give_back(slot)
    assert [model.take_slot() for _ in range(3)] == [1, 0, 3]


@pytest.mark.parametrize(
    "stream_id",
    ["a", "x" * 200, "plant-a/pump.7", "A_:@+-.z", "observations/1", "a/observations/b",
     "reset-me", "..a", "a/...", "0"],
)  # fmt: skip
def test_valid_ids(stream_id: str) -> None:
    """Up to 200 of the allowed characters, slashes inside, route words not at the end."""
    assert id_error(stream_id) is None


@pytest.mark.parametrize(
    "stream_id",
    ["", "x" * 201, "/a", "a/", "a//b", "/", "a b", "a\n", "ä", "a\ud800", "a%2Fb", "a?b", "a\0",
     "observations", "a/observations", "reset", "a/reset", "a/accept-baseline", ".", "..", "a/../b",
     "a/./b", "\u0661"],
)  # fmt: skip
def test_invalid_ids(stream_id: str) -> None:
    """Anything else is refused: no stream could be reached at such a path."""
    assert id_error(stream_id) is not None


def test_create_and_find_again() -> None:
    """A stream is found by its id, counted and listed in the order of creation."""
    directory = make_directory()
    create(directory, "b")
    create(directory, "a")
    assert [stream.stream_id for stream in directory] == ["b", "a"]
    assert len(directory) == 2
    assert directory.find("a").slot == 1
    assert directory.get("c") is None
    with pytest.raises(UnknownStream, match="'c'"):
        directory.find("c")


def test_pages_follow_the_order_of_ids() -> None:
    """A page begins behind the id given and holds at most the limit."""
    directory = make_directory()
    for stream_id in ("c", "a", "d", "b"):
        create(directory, stream_id)

    def ids(after: str, limit: int) -> list[str]:
        return [stream.stream_id for stream in directory.page(after, limit)]

    assert (ids("", 2), ids("b", 9), ids("d", 9)) == (["a", "b"], ["c", "d"], [])


def test_create_says_why_not() -> None:
    """Bad id, taken id, unknown model, no model, too many: each is told and creates nothing."""
    directory = make_directory(default=None, max_streams=1)
    with pytest.raises(NotAdmitted, match="slash") as refused:
        create(directory, "a//b", "pumps")
    assert refused.value.slug == "invalid-id"
    with pytest.raises(UnknownModel, match="loaded are: pumps"):
        create(directory, "a", "fans")
    with pytest.raises(NotAdmitted, match="no model") as refused:
        create(directory, "a")
    assert refused.value.slug == "no-model"
    assert len(directory) == directory.models["pumps"].used == 0
    create(directory, "a", "pumps")
    with pytest.raises(InvalidOption, match="already"):
        create(directory, "a", "pumps")
    with pytest.raises(NotAdmitted, match="limit") as refused:
        create(directory, "b", "pumps")
    assert refused.value.slug == "too-many-streams"
    assert (len(directory), directory.models["pumps"].used) == (1, 1)


def test_admit_finds_the_default_model() -> None:
    """A stream nobody knows is served by the default model, or a row error says why not."""
    directory = make_directory(max_streams=1)
    assert directory.admit("a", directory.default) is directory.models["pumps"]
    refused = directory.admit("a/", directory.default)
    assert isinstance(refused, RowError)
    assert refused.type == "invalid-id"
    create(directory, "a")
    refused = directory.admit("b", directory.default)
    assert isinstance(refused, RowError)
    assert refused.type == "too-many-streams"


def test_without_models_the_hint_says_how_to_get_one() -> None:
    """An empty data directory is no dead end."""
    directory = Directory({}, default_model=None, options=OPTIONS, max_streams=1)
    refused = directory.admit("a", None)
    assert isinstance(refused, RowError)
    assert refused.type == "no-model"
    assert "stepwatch train" in refused.detail


def test_a_removed_stream_that_comes_back_is_another() -> None:
    """Streams are equal by identity, so nothing of the old one is taken for the new."""
    directory = make_directory()
    create(directory, "a")
    old = directory.find("a")
    directory.remove(old)
    create(directory, "a")
    assert directory.find("a") != old
    assert directory.find("a").slot != old.slot


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        (("m0", "m1", "m2"), None),
        (("m2", "m0", "m1"), None),
        (("m0", "m2"), "missing: m1"),
        (("m0", "m1", "m2", "x"), "unknown: x"),
        ((), "missing: m0, m1, m2"),
    ],
)
def test_metrics_are_matched_by_name(metrics: tuple[str, ...], told: str | None) -> None:
    """Order does not matter; missing and unknown ones are named."""
    model = make_model()
    wrong = model.misnamed(metrics)
    assert wrong is None if told is None else told in (wrong or "")
    if wrong is None:
        assert [metrics[at] for at in model.order_of(metrics)] == model.metrics


def test_options_change_one_by_one() -> None:
    """What is not named stays."""
    changed = with_options(StreamOptions(z=4.0), {"policy": "all"})
    assert (changed.z, changed.policy, changed.start) == (4.0, "all", "own")


@pytest.mark.parametrize("name", ["z", "sigma_floor"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_options_out_of_range(name: str, value: float) -> None:
    """A threshold that could never or always be crossed is refused."""
    with pytest.raises(InvalidOption, match=name):
        with_options(OPTIONS, {name: value})
