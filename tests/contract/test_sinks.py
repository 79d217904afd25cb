"""What every sink promises, tried on each of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from models.blocks import Refusal
from service.engine.errors import SinkError
from service.engine.ports import Alert, AlertStatus, Delivery, Sink
from tests.contract.sinks import CASES, REDIS, Case, Rig
from tests.deliveries import MINUTE, TIME, alert, scored, verdicts


@pytest.fixture
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A sink, working; which one the test says."""
    case: Case = request.param
    async with case.working() as lent:
        yield lent


@pytest.fixture(params=CASES)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    """Each sink in turn, reaching nothing."""
    case: Case = request.param
    return case.broken(tmp_path)


of_any = pytest.mark.parametrize("rig", CASES, indirect=True)
of_verdicts = pytest.mark.parametrize("rig", REDIS, indirect=True)


def turns(number: int, *statuses: AlertStatus) -> list[Alert]:
    """Make transitions of one stream's alert."""
    return [replace(alert(number), status=status) for status in statuses]


def of_stream(told: Sequence[tuple[str, bool]], number: int) -> list[bool]:
    """Say what was told of one stream."""
    return [is_open for stream_id, is_open in told if stream_id == alert(number).stream_id]


async def failure_of(attempt: Callable[..., Awaitable[None]], *given: Delivery) -> SinkError | None:
    """Try something; gives what it raised."""
    try:
        await attempt(*given)
    except SinkError as failed:
        return failed
    return None


@of_verdicts
async def test_the_order_of_each_stream_is_kept(rig: Rig) -> None:
    """Verdicts of a stream are written in the order of the deliveries, blocks and rows."""
    assert rig.taken is not None
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


@of_verdicts
async def test_refused_rows_are_passed_over(rig: Rig) -> None:
    """A row the bank refused is not written; its neighbours are."""
    assert rig.taken is not None
    block = verdicts(3, refusal=[Refusal.NONE, Refusal.DUPLICATE, Refusal.NONE], phase=[2, 77, 2])
    await rig.sink.open()
    await rig.sink.write_batch(Delivery([scored(["a", "b", "c"], block)]))
    await rig.sink.close()
    assert [stream_id for stream_id, _ in rig.taken()] == ["a", "c"]


@of_any
async def test_it_takes_verdicts_or_not(rig: Rig) -> None:
    """What it says of itself is so: who takes verdicts writes them, and others are not troubled."""
    await rig.sink.open()
    await rig.sink.write_batch(Delivery([scored(["a"])]))
    await rig.sink.close()
    assert rig.sink.takes_verdicts == (rig.taken is not None)
    assert rig.taken is None or [stream_id for stream_id, _ in rig.taken()] == ["a"]
    assert rig.told() == []


@of_any
async def test_the_order_of_alerts_is_kept(rig: Rig) -> None:
    """What becomes of an alert is told in order, within a delivery and from one to the next."""
    await rig.sink.open()
    for alerts in (
        [*turns(0, "opened"), *turns(1, "opened")],
        [*turns(0, "updated"), *turns(1, "resolved"), *turns(2, "opened", "resolved")],
        turns(0, "resolved"),
    ):
        await rig.sink.write_batch(Delivery(alerts=alerts))
    await rig.sink.close()
    told = rig.told()
    assert of_stream(told, 0) == [True, True, False]
    assert of_stream(told, 1) == [True, False]
    assert of_stream(told, 2) == [True, False]


@of_any
async def test_open_alerts_are_no_news(rig: Rig) -> None:
    """A refresh tells nothing but what is open, and only who asks for it tells it again."""
    await rig.sink.open()
    await rig.sink.write_batch(Delivery(alerts=turns(0, "opened")))
    await rig.sink.write_batch(Delivery(open_alerts=turns(0, "opened")))
    await rig.sink.close()
    assert of_stream(rig.told(), 0) == [True] * (1 if rig.sink.refresh_s is None else 2)


@of_any
async def test_an_empty_delivery_is_fine(rig: Rig) -> None:
    """Nothing to write, an empty block included, writes nothing and raises nothing."""
    await rig.sink.open()
    await rig.sink.write_batch(Delivery())
    await rig.sink.write_batch(Delivery([scored([])]))
    await rig.sink.write_batch(Delivery(open_alerts=[]))
    await rig.sink.close()
    assert rig.told() == []
    assert rig.taken is None or rig.taken() == []


@of_any
async def test_closing_twice_is_fine(rig: Rig) -> None:
    """A sink that was opened and written to can be closed twice."""
    await rig.sink.open()
    await rig.sink.write_batch(Delivery([scored(["a"])], [alert()]))
    await rig.sink.close()
    await rig.sink.close()


@of_any
async def test_closing_without_opening_is_fine(rig: Rig) -> None:
    """A sink that was never opened can be closed, and twice."""
    await rig.sink.close()
    await rig.sink.close()


async def test_failure_raises_only_sink_errors(broken: Sink) -> None:
    """Writing in vain raises a sink error with a word for metrics, and so does opening if it asks.

    Nothing is given up for it: it will be tried again.
    """
    delivery = Delivery([scored(["a"])], [alert()])
    for _ in range(2):
        failures = [await failure_of(broken.open), await failure_of(broken.write_batch, delivery)]
        assert failures[-1] is not None
        for failed in filter(None, failures):
            assert failed.kind.isalpha()
            assert not failed.is_final
    await broken.close()


def test_the_name_is_fit_for_a_label(broken: Sink) -> None:
    """A sink's name is one short word."""
    assert broken.name.isalpha()
    assert broken.name.islower()
