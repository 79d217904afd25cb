import pytest

from models.options import StreamOptions
from service.engine import places
from service.engine.directory import Directory
from service.engine.model import Stream
from service.engine.places import FEWEST
from tests.engines import make_directory

ARRIVAL = 0

IDS = tuple(f"s{at}" for at in range(FEWEST))


def added(directory: Directory, *stream_ids: str, model: str = "pumps") -> list[Stream]:
    chosen = directory.models[model]
    return [directory.add(one, chosen, StreamOptions(), ARRIVAL) for one in stream_ids]


@pytest.fixture
def directory() -> Directory:
    """A directory with the streams of `IDS`."""
    made = make_directory()
    added(made, *IDS)
    return made


def test_what_is_there_is_found(directory: Directory) -> None:
    """One a row, in the order of the rows, with its slot."""
    placed = directory.placed(IDS[::-1])
    assert placed is not None
    assert [stream.stream_id for stream in placed.streams] == list(IDS[::-1])
    assert placed.slots.tolist() == [stream.slot for stream in placed.streams]
    assert placed.is_spread


def test_the_same_ids_are_looked_up_once(directory: Directory) -> None:
    """Equal ids, not the same objects, for as long as nothing changes."""
    again = tuple("".join(list(one)) for one in IDS)
    assert directory.placed(IDS) is directory.placed(again)


def test_a_stream_that_stands_there_twice_is_told(directory: Directory) -> None:
    """Its rows cost more than as many of other streams."""
    placed = directory.placed((*IDS, IDS[0]))
    assert placed is not None
    assert not placed.is_spread


@pytest.mark.parametrize("ids", [(*IDS, "unknown"), ("unknown",)])
def test_an_unknown_stream_is_told_until_it_comes(
    directory: Directory, ids: tuple[str, ...]
) -> None:
    """Nothing is found, and then everything."""
    assert directory.placed(ids) is None
    added(directory, "unknown")
    assert directory.placed(ids) is not None


def test_a_stream_that_goes_and_comes_back_is_another(directory: Directory) -> None:
    """Nobody gets the slot of a stream that is gone."""
    before = directory.placed(IDS)
    directory.remove(directory.find(IDS[3]))
    assert directory.placed(IDS) is None
    (back,) = added(directory, IDS[3])
    placed = directory.placed(IDS)
    assert before is not None
    assert placed is not None
    assert placed.streams[3] is back
    assert before.streams[3] is not back


def test_so_much_is_remembered_and_no_more(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that never come again do not fill the memory."""
    monkeypatch.setattr(places, "MOST", 3 * FEWEST)
    for at in range(100):
        assert directory.placed((*IDS, *IDS[: at % FEWEST], IDS[at % 7])) is not None
    assert directory._places._remembered <= 3 * FEWEST + 3 * FEWEST


def test_ids_that_are_not_there_are_not_remembered(directory: Directory) -> None:
    """They may be of any length, and none of them ever becomes a stream."""
    for at in range(20):
        assert directory.placed((*IDS, f"unknown-{at}" * 1000)) is None
    assert not directory._places._known
