"""What holds of an engine at any time, and that it agrees with the plain model."""

from typing import Any

import numpy as np

from service.engine.changes import NEVER
from service.engine.engine import Engine
from service.engine.model import Model
from tests.property.plain import SLOT, Twin
from tests.property.world import World

CLOSE = ("mean", "sigma", "score", "smoothed", "threshold", "step_us", "pace_us", "z")


async def check_sound(engine: Engine, world: World) -> None:
    """Check slots, names, numbers and alerts.

    Raises:
        AssertionError: If something is not as it should be.
    """
    await engine._batcher.drain()
    directory = engine.directory
    here = {stream.stream_id: stream for stream in directory}
    assert set(here) == set(world.here)
    assert set(directory.away) == set(world.away)
    assert not set(here) & set(directory.away)
    for model in directory.models.values():
        check_slots(model)
    for stream_id, stream in here.items():
        twin = world.here[stream_id]
        assert stream.model.streams[stream.slot] is stream
        assert stream.model.name == twin.stream.model.name
        assert (stream.options, stream.own) == (twin.stream.options, twin.stream.own)
        check_numbers(await engine.streams.inspect(stream), twin)
    check_alerts(engine, world)


def check_slots(model: Model) -> None:
    """A free slot is all zero in every slab, and there is nothing to save of it."""
    free = [at for at, stream in enumerate(model.streams) if stream is None]
    assert sorted(model._free) == free
    rest = np.array([*free, *range(model.used, model.bank.slabs["record"].capacity)], np.int64)
    for part, slab in model.bank.slabs.items():
        for name, rows in slab.gather(rest).items():
            assert not rows.any(), f"{part} {name} of a free slot is not zero"
    changes = model.changes
    for column in (changes.arrived, changes.since, changes.recent_since):
        assert (column[free] == NEVER).all()


def check_numbers(found: dict[str, Any], twin: Twin) -> None:
    """What a GET shows is what the stream alone would show."""
    expected = {name: column[0].item() for name, column in twin.bank.inspect(SLOT).items()}
    for name, value in expected.items():
        if name in CLOSE:
            # scores that lie close together differ by rounding: so does their sigma
            least = 1e-7 + 1e-4 * expected["mean"] * (name == "sigma")
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=least, err_msg=name)
        else:
            np.testing.assert_equal(found[name], value, err_msg=name)


def check_alerts(engine: Engine, world: World) -> None:
    """The open alerts are the same ones, as far as they have come."""
    found = {alert.stream_id: alert for alert in engine.open_alerts()}
    expected = {name: twin.open_alert for name, twin in world.here.items() if twin.open_alert}
    assert set(found) == set(expected)
    for stream_id, alert in expected.items():
        assert alert is not None
        other = found[stream_id]
        for name in ("event_id", "since", "opened_at", "anomalies", "model"):
            assert getattr(other, name) == getattr(alert, name), name
        np.testing.assert_allclose(other.peak_severity, alert.peak_severity, rtol=1e-4)
