"""What every sink promises, tried on each of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from models.blocks import Refusal
from service.engine.errors import SinkError
from service.engine.ports import Delivery, Sink
from service.keys import Keys
from service.sinks.redis import RedisSink, ScoresMode
from tests.deliveries import MINUTE, TIME, alert, scored, verdicts
from tests.integration.packed_reading import packed_entries
from tests.integration.servers import SERVERS, client_of, entries

Taken = Callable[[], list[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class Rig:
    """A sink that works, and the streams and times it has written, oldest first."""

    sink: Sink
    taken: Taken


@dataclass(frozen=True, slots=True)
class Case:
    """How to come by one kind of sink.

    Attributes:
        working: Lends one that works.
        broken: Makes one that reaches nothing, given an empty directory.
    """

    working: Callable[[], AbstractContextManager[Rig]]
    broken: Callable[[Path], Sink]


def redis_case(server_name: str, mode: ScoresMode) -> Case:
    """Describe the Redis sink on one kind of server, in one of its modes."""

    @contextmanager
    def working() -> Iterator[Rig]:
        with SERVERS[server_name]() as server:
            url = server.start()

            sink = RedisSink(url, Keys(), scores=mode)
            yield Rig(sink, partial(TAKEN[mode], url))

    def broken(empty: Path) -> Sink:
        return RedisSink(f"unix://{empty}/nobody.sock", Keys(), scores=mode)

    return Case(working, broken)


def taken_each(url: str) -> list[tuple[str, float]]:
    """Read the streams and times of entries of a verdict each."""
    with client_of(url) as client:
        found = entries(client, Keys().scores)
    return [(entry["stream_id"], float(entry["timestamp"])) for entry in found]


def taken_packed(url: str) -> list[tuple[str, float]]:
    """Read the streams and times of packed entries."""
    found = packed_entries(url, Keys().packed)
    rows = (zip(one.stream_ids, one.timestamp.tolist(), strict=True) for one in found)
    return [(stream_id, at / 1e6) for one in rows for stream_id, at in one]


TAKEN: dict[ScoresMode, Callable[[str], list[tuple[str, float]]]] = {
    "each": taken_each,
    "packed": taken_packed,
}
CASES = [
    pytest.param(
        redis_case(name, mode), id=f"redis-{mode}-on-{name}", marks=pytest.mark.integration
    )
    for name in SERVERS
    for mode in TAKEN
]


@pytest.fixture(params=CASES)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Each sink in turn, working."""
    case: Case = request.param
    with case.working() as lent:
        yield lent


@pytest.fixture(params=CASES)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    """Each sink in turn, reaching nothing."""
    case: Case = request.param
    return case.broken(tmp_path)


async def test_the_order_of_each_stream_is_kept(rig: Rig) -> None:
    """Verdicts of a stream are written in the order of the deliveries, blocks and rows."""
    ids = [f"pump-{row % 3}" for row in range(60)]
    await rig.sink.open()
    for part in range(4):
        blocks = [
            scored(ids, verdicts(60, first_time=TIME + MINUTE * 60 * (2 * part + half)))
            for half in range(2)
        ]
        await rig.sink.write_batch(Delivery(blocks))
    await rig.sink.close()
    for stream_id in set(ids):
        times = [time for written_id, time in rig.taken() if written_id == stream_id]
        assert times == sorted(times)
        assert len(times) == len(set(times)) == 160


async def test_refused_rows_are_passed_over(rig: Rig) -> None:
    """A row the bank refused is not written; its neighbours are."""
    block = verdicts(3, refusal=[Refusal.NONE, Refusal.DUPLICATE, Refusal.NONE], phase=[2, 77, 2])
    await rig.sink.open()
    await rig.sink.write_batch(Delivery([scored(["a", "b", "c"], block)]))
    await rig.sink.close()
    assert [stream_id for stream_id, _ in rig.taken()] == ["a", "c"]


async def test_an_empty_delivery_is_fine(rig: Rig) -> None:
    """Nothing to write, an empty block included, writes nothing and raises nothing."""
    await rig.sink.open()
    await rig.sink.write_batch(Delivery())
    await rig.sink.write_batch(Delivery([scored([])]))
    await rig.sink.close()
    assert rig.taken() == []


async def test_closing_twice_is_fine(rig: Rig) -> None:
    """A sink that was opened and written to can be closed twice."""
    await rig.sink.open()
    await rig.sink.write_batch(Delivery([scored(["a"])], [alert()]))
    await rig.sink.close()
    await rig.sink.close()


async def test_closing_without_opening_is_fine(rig: Rig) -> None:
    """A sink that was never opened can be closed, and twice."""
    await rig.sink.close()
    await rig.sink.close()


async def test_failure_raises_only_sink_errors(broken: Sink) -> None:
    """Opening and writing in vain raise a sink error with a word for metrics; closing is fine."""
    delivery = Delivery([scored(["a"])], [alert()])
    for _ in range(2):
        with pytest.raises(SinkError) as failed:
            await broken.open()
        assert failed.value.kind.isalpha()
        with pytest.raises(SinkError) as failed:
            await broken.write_batch(delivery)
        assert failed.value.kind.isalpha()
    await broken.close()


def test_the_name_is_fit_for_a_label(broken: Sink) -> None:
    """A sink's name is one short word."""
    assert broken.name.isalpha()
    assert broken.name.islower()
