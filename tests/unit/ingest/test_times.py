import pytest

from models.blocks import MAX_TIME, NO_TIME
from service.engine.errors import RowError
from service.ingest.times import microseconds

MOMENT = 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (None, NO_TIME),
        (1_700_000_000.0, MOMENT),
        (1_700_000_000.123456, MOMENT + 123_456),
        (-5.5, -5_500_000),
        (0.0, 0),
        ("2023-11-14T22:13:20Z", MOMENT),
        ("2023-11-14t22:13:20z", MOMENT),
        ("2023-11-14 23:13:20+01:00", MOMENT),
        ("2023-11-14T22:13:20.123456Z", MOMENT + 123_456),
        ("2023-11-14T22:13:20.123456789Z", MOMENT + 123_456),
        ("1969-12-31T23:59:59-00:00", -1_000_000),
    ],
)
def test_moments(timestamp: float | str | None, expected: int) -> None:
    """Seconds and RFC 3339 with a zone mean the same."""
    assert microseconds(timestamp) == expected


@pytest.mark.parametrize(
    "timestamp",
    ["", "NaN", "1700000000", "2023-11-14T22:13:20", "2023-11-14", "2023-11-14T22:13:60Z",
     "2023-13-01T00:00:00Z", "2023-11-14T22:13:20+25:00", "T22:13:20Z", "\ud800", "1" * 10_000],
)  # fmt: skip
def test_text_that_is_no_moment(timestamp: str) -> None:
    """Without a zone, or no date at all, it is refused: nobody guesses a zone."""
    refused = microseconds(timestamp)
    assert isinstance(refused, RowError)
    assert refused.type == "invalid-timestamp"


@pytest.mark.parametrize("timestamp", [1e300, -1e300, 1.7e12, "9999-12-31T23:59:59-23:59"])
def test_far_times_stay_far(timestamp: float | str) -> None:
    """They fit 64 bits and are left for the bank to refuse."""
    found = microseconds(timestamp)
    assert isinstance(found, int)
    assert MAX_TIME < abs(found) < 2**63
