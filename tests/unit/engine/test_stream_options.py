"""Options over options: z and false alarms per day are two ways to set one thing."""

from typing import Any

import pytest

from models.options import StreamOptions
from service.engine.directory import Directory
from service.engine.errors import InvalidOption
from service.engine.rules import StreamRule
from service.engine.stream_options import with_options
from tests.engines import make_model

LOWER = [StreamOptions(), StreamOptions(z=4.0), StreamOptions(false_alarms_per_day=2.0)]


def level(options: StreamOptions) -> tuple[float | None, float | None]:
    """Give both ways to set it."""
    return options.z, options.false_alarms_per_day


@pytest.mark.parametrize("lower", LOWER)
def test_either_takes_the_place_of_both(lower: StreamOptions) -> None:
    """What is given above counts alone, whichever of the two stood below."""
    assert level(with_options(lower, {"z": 6.0})) == (6.0, None)
    assert level(with_options(lower, {"false_alarms_per_day": 0.5})) == (None, 0.5)
    assert level(with_options(lower, {"policy": "all"})) == level(lower)
    assert level(with_options(lower, {"z": 6.0, "false_alarms_per_day": None})) == (6.0, None)


def test_both_at_once_are_refused() -> None:
    """Nobody could say which is meant."""
    with pytest.raises(InvalidOption, match="give z or false_alarms_per_day, not both"):
        with_options(StreamOptions(), {"z": 6.0, "false_alarms_per_day": 1.0})


@pytest.mark.parametrize("value", [0.0, 1e-300, -1.0, float("nan"), float("inf")])
def test_false_alarms_out_of_range(value: float) -> None:
    """None at all, or fewer than any tail can tell, are refused."""
    with pytest.raises(InvalidOption, match="false_alarms_per_day must be"):
        with_options(StreamOptions(), {"false_alarms_per_day": value})


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({}, (None, 3.0)),
        ({"z": 5.0}, (5.0, None)),
        ({"false_alarms_per_day": 0.1}, (None, 0.1)),
    ],
)
def test_put_goes_above_the_pattern(own: dict[str, Any], told: tuple[float | None, ...]) -> None:
    """And the pattern above what everybody gets."""
    model = make_model()
    rule = StreamRule("a/*", None, StreamOptions(false_alarms_per_day=3.0))
    directory = Directory(
        {"pumps": model},
        default_model="pumps",
        options=StreamOptions(z=9.0),
        max_streams=9,
        rules=(rule,),
    )
    assert level(directory.resolved("a/1", own)[1]) == told
    assert level(directory.resolved("b", {})[1]) == (9.0, None)
