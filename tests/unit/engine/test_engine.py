import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from models.blocks import Phase
from models.options import StreamOptions
from service.engine.columns import Answer
from service.engine.engine import Engine, Limits
from service.engine.errors import NotReady, Overloaded, UnknownStream
from tests.engines import (
    columns,
    make_directory,
    make_engine,
    make_model,
    outcomes,
    request,
    running,
    sent,
)
from tests.fakes import ARRIVAL, FailingSink, FakeClock, ListSink, normal_values

GOOD = [0.1, 0.2, 0.3]
SPIKE = [1e6, -1e6, 1e6]
OPTIONS = StreamOptions()


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


@pytest.fixture
async def engine(sink: ListSink) -> AsyncIterator[Engine]:
    async with running(make_engine(sinks=[sink])) as engine:
        yield engine


def marks(answer: Answer) -> list[str]:
    (_, judged) = answer.parts[0]
    return [mark.status for mark in judged.scored.marks.values()]


async def seen(engine: Engine, stream_id: str) -> int:
    return int((await engine.streams.inspect(engine.directory.find(stream_id)))["seen"])


async def test_every_row_gets_one_verdict_and_reaches_the_sinks(
    engine: Engine, sink: ListSink
) -> None:
    """The answer covers the request in its order; the sinks get the same block."""
    answer = await sent(engine, columns(["a", "b", "a"], normal_values(3)))
    assert all(isinstance(one, float) for one in outcomes(answer))
    await engine.stop()
    (scored,) = [one for delivery in sink.deliveries for one in delivery.scored]
    assert scored is answer.parts[0][1].scored
    assert (scored.model, scored.stream_ids) == ("pumps", ("a", "b", "a"))


async def test_only_a_running_engine_takes_anything() -> None:
    """Before the start and after the stop everything that would change something is refused."""
    engine = make_engine()
    stream = make_directory().create("a", {}, 0)
    for _ in range(2):
        with pytest.raises(NotReady):
            engine.submit(request(columns("a", [GOOD])))
        with pytest.raises(NotReady):
            await engine.streams.put("a", {})
        for change in (engine.streams.reset, engine.streams.delete):
            with pytest.raises(NotReady):
                await change(stream)
        assert (len(engine.directory), engine.counters.received.total()) == (0, 0)
        async with running(engine):
            assert engine.is_ready


async def test_overload_leaves_nothing_taken() -> None:
    """No stream is created, no row counted; what waited is answered."""
    async with running(make_engine(limits=Limits(waiting_rows=3))) as engine:
        first = engine.submit(request(columns("a", [GOOD] * 3)))
        with pytest.raises(Overloaded):
            engine.submit(request(columns("new", [GOOD])))
        assert (engine.waiting_rows, engine.counters.received.total()) == (3, 3)
        assert engine.directory.get("new") is None
        assert len(outcomes(await first.answer())) == 3


async def test_refusals_are_counted_once_by_reason(engine: Engine) -> None:
    """Those of the router and those of the bank, beside what was scored."""
    good = columns("a", [GOOD] * 3, rows=[0, 2, 3], times=[10, 10, 9])
    answer = await sent(engine, good, columns("a", [GOOD[:1]], rows=[1]))
    assert outcomes(answer)[1:] == ["wrong-width", "duplicate", "out-of-order"]
    assert engine.counters.refused == {"wrong-width": 1, "duplicate": 1, "out-of-order": 1}
    assert (engine.counters.scored["pumps"], engine.counters.received["test"]) == (1, 4)


async def test_undated_rows_stay_apart(engine: Engine) -> None:
    """Rows that arrive at the same moment get times that rise."""
    answer = await sent(engine, columns("a", [GOOD] * 3))
    assert (answer.parts[0][1].scored.verdicts.times - ARRIVAL).tolist() == [0, 1, 2]
    assert outcomes(await sent(engine, columns("a", [GOOD])))[0] != "duplicate"


async def test_an_alert_goes_to_the_verdict_the_sinks_and_the_list(
    engine: Engine, sink: ListSink
) -> None:
    """Three spikes in a row open an alert that all three places know."""
    await sent(engine, columns("a", normal_values(5)))
    answer = await sent(engine, columns("a", [SPIKE] * 4))
    assert marks(answer) == ["opened", "open"]
    (alert,) = engine.open_alerts()
    assert engine.counters.alerts == {"opened": 1}
    assert engine.counters.anomalies["pumps"] == 4
    await engine.stop()
    assert [one.event_id for one in sink.alerts] == [alert.event_id]


@pytest.mark.parametrize("change", ["reset", "delete"])
async def test_reset_and_delete_resolve_an_open_alert(sink: ListSink, change: str) -> None:
    """The transition reaches the sinks though no verdict brought it."""
    async with running(make_engine(sinks=[sink])) as engine:
        await sent(engine, columns("a", [SPIKE] * 3))
        stream = engine.directory.find("a")
        await getattr(engine.streams, change)(stream)
        assert engine.open_alerts() == []
    assert [alert.status for alert in sink.alerts] == ["opened", "resolved"]
    assert len({alert.event_id for alert in sink.alerts}) == 1


async def test_reset_begins_anew_with_the_streams_options(engine: Engine) -> None:
    """The count is 0 and washout begins; rows that came before are answered before."""
    stream, _ = await engine.streams.put("a", {"start": "own"})
    before = engine.submit(request(columns("a", [GOOD], times=[50])))
    await engine.streams.reset(stream)
    assert len(outcomes(await before.answer())) == 1
    state = await engine.streams.inspect(stream)
    assert (state["seen"], state["phase"]) == (0, Phase.WASHOUT)
    assert outcomes(await sent(engine, columns("a", [GOOD], times=[10])))[0] != "out-of-order"


async def test_reset_begins_washout_whatever_the_start(engine: Engine) -> None:
    """A stream that was live at once is washed out on its own observations after a reset."""
    stream, _ = await engine.streams.put("a", {"start": "reference"})
    assert (await engine.streams.inspect(stream))["phase"] != Phase.WASHOUT
    await engine.streams.reset(stream)
    assert (await engine.streams.inspect(stream))["phase"] == Phase.WASHOUT


async def test_a_deleted_stream_comes_back_as_another(engine: Engine) -> None:
    """Rows that wait are answered, rows after it create the stream anew in another slot."""
    waiting = engine.submit(request(columns("a", [GOOD] * 2)))
    old = engine.directory.find("a")
    deleted = engine.streams.delete(old)
    again = engine.submit(request(columns("a", [GOOD])))
    assert len(outcomes(await waiting.answer())) == 2
    assert len(outcomes(await again.answer())) == 1
    await deleted
    assert await seen(engine, "a") == 1
    assert engine.directory.find("a").slot != old.slot
    await engine.streams.put("b", {})
    assert engine.directory.find("b").slot == old.slot
    with pytest.raises(UnknownStream):
        await seen(engine, "c")


async def test_a_stream_changes_its_model_in_one_turn() -> None:
    """Deleting takes effect at the call, so that no row can slip in before the creation."""
    directory = make_directory(make_model("pumps"), make_model("fans", 2))
    async with running(make_engine(directory)) as engine:
        await engine.streams.put("a", {})
        stream, is_new = await engine.streams.put("a", {"model": "fans"})
        assert (stream.model.name, is_new) == ("fans", False)
        assert outcomes(await sent(engine, columns("a", [GOOD]))) == ["wrong-width"]


async def test_configure_changes_the_threshold_and_nothing_else(engine: Engine) -> None:
    """Another z moves the threshold; the window and the count stay."""
    await sent(engine, columns("a", normal_values(5)))
    stream = engine.directory.find("a")
    before = await engine.streams.inspect(stream)
    await engine.streams.put("a", {"z": 1e6})
    assert await engine.streams.inspect(stream) == before | {"z": 1e6}
    assert marks(await sent(engine, columns("a", [SPIKE] * 3))) == []


async def test_census_knows_every_stream_of_every_model() -> None:
    """A model without streams has its place too."""
    directory = make_directory(make_model("pumps"), make_model("fans", 2))
    async with running(make_engine(directory)) as engine:
        await sent(engine, columns(["a", "b", "b"], [GOOD] * 3))
        pumps, fans = await engine.census()
    assert [stream.stream_id for stream in pumps.streams] == ["a", "b"]
    assert pumps.record["seen"].tolist() == [1, 2]
    assert (fans.model.name, len(fans.record["seen"])) == ("fans", 0)


async def test_stop_answers_and_writes_what_waits(sink: ListSink) -> None:
    """Nothing taken in is lost, whether somebody waits for the verdict or not."""
    engine = make_engine(sinks=[sink])
    await engine.start()
    many = columns([f"s{at}" for at in range(1500)], np.tile(GOOD, (1500, 1)))
    pending = [engine.submit(request(many)), engine.submit(request(columns("a", [GOOD])))]
    await engine.stop()
    assert [len(outcomes(await one.answer())) for one in pending] == [1500, 1]
    assert engine.outlets[1].written["scores"] == 1501
    assert sum(len(one.scored) for one in sink.deliveries) == 2


async def test_a_sink_that_is_down_delays_nobody() -> None:
    """Verdicts come all the same; what the sink could not take is counted."""
    engine = make_engine(sinks=[FailingSink()], limits=Limits(sink_rows=4, flush_s=0.01))
    async with running(engine):
        for _ in range(3):
            assert len(outcomes(await sent(engine, columns("a", [GOOD] * 2)))) == 2
    outlet = engine.outlets[1]
    assert (outlet.written["scores"], outlet.dropped["scores"]) == (0, 6)


async def test_latency_is_counted_per_row() -> None:
    """From the moment the request was taken in to its verdicts."""
    clock = FakeClock()
    async with running(make_engine(clock=clock)) as engine:
        pending = engine.submit(request(columns("a", [GOOD] * 3)))
        clock.advance(0.002)
        await pending.answer()
    assert engine.counters.latency_s.sum == pytest.approx(0.006)
    assert sum(engine.counters.batch_rows.counts) == 1


async def test_an_answer_given_up_spoils_no_other(engine: Engine) -> None:
    """A client that leaves takes nobody's verdict with it."""
    gone = asyncio.create_task(engine.submit(request(columns("a", [GOOD]))).answer())
    stays = engine.submit(request(columns("a", [GOOD])))
    await asyncio.sleep(0)
    gone.cancel()
    assert len(outcomes(await stays.answer())) == 1
    assert await seen(engine, "a") == 2
