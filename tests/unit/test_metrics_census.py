"""What the metrics page learns of all streams, while they come and go."""

import asyncio
import gc
import weakref
from dataclasses import replace

import numpy as np

from service.engine.model import Model
from service.sinks.stream_series import StreamSeries
from tests.engines import make_directory, make_engine, make_model, running
from tests.unit.test_metrics_page import MANY, NAMES, chosen


async def test_a_census_leaves_out_who_went_meanwhile() -> None:
    """While a census goes on, a slot may become that of another stream, with other numbers."""
    directory = make_directory(make_model(), max_streams=9 * MANY)
    engine = make_engine(directory)
    async with running(engine):
        model = directory.models["pumps"]
        for at in range(8 * MANY):
            directory.add(f"s-{at}", model, directory.options, 0)
        model.bank.start(np.arange(8 * MANY), directory.options)
        taking = asyncio.create_task(engine.census())
        await asyncio.sleep(0)  # it has begun
        directory.remove(directory.find("s-5"))
        model.give_back(5)
        directory.add("other", model, directory.options, 0)
        directory.add("new", model, directory.options, 0)
        (census,) = await taking
    assert directory.find("other").slot == 5
    assert census.slots.tolist() == [slot for slot in range(8 * MANY) if slot != 5]
    assert len(census.record["seen"]) == len(census.streams) == 8 * MANY - 1
    series = StreamSeries(export=("s-5", "s-6", f"s-{8 * MANY - 1}"), worst=0)
    assert chosen(series, census, 0.0) == {"s-6", f"s-{8 * MANY - 1}"}
    shown = replace(census, slots=census.slots[:-1])
    assert chosen(series, shown, 0.0) == {"s-6"}


async def test_a_census_copies_streams_only_when_they_change() -> None:
    """What has not changed is the same list; a stream that came or went stands in a new one."""
    engine = make_engine()
    async with running(engine):
        model, options = engine.directory.models["pumps"], engine.directory.options
        for name in NAMES:
            engine.directory.add(name, model, options, 0)
        model.bank.start(np.arange(len(NAMES)), options)
        model.bank.slabs["record"]["seen"][: len(NAMES)] = range(len(NAMES))
        (first,), (second,) = await engine.census(), await engine.census()
        assert first.held is second.held
        engine.directory.remove(engine.directory.find("b"))
        (third,) = await engine.census()
        model.give_back(1)
        engine.directory.add("f", model, options, 0)
        (fourth,) = await engine.census()
    names = [[stream.stream_id for stream in one.streams] for one in (first, third, fourth)]
    assert names == [list("abcde"), list("acde"), list("afcde")]
    assert third.record["seen"].tolist() == [0, 2, 3, 4]
    assert third.slots.tolist() == [0, 2, 3, 4]


def test_a_census_keeps_no_model() -> None:
    """Once an engine has gone, so have its streams and banks."""

    async def censused() -> weakref.ref[Model]:
        engine = make_engine()
        async with running(engine):
            model = engine.directory.models["pumps"]
            engine.directory.add("a", model, engine.directory.options, 0)
            model.bank.start(np.arange(1), engine.directory.options)
            await engine.census()
        return weakref.ref(model)

    there = asyncio.run(censused())
    gc.collect()  # the directory goes first, then what was kept for it
    gc.collect()
    assert there() is None
