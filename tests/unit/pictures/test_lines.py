"""What is kept of long series so that they can be drawn, and of names."""

import numpy as np
import pytest

from models.pictures.lines import extremes, literal, typical


@pytest.mark.parametrize("spike_at", [0, 41_234, 99_999])
def test_line_keeps_a_spike(spike_at: int) -> None:
    """One row of 100,000 is still seen, at its place, and so is a dip."""
    values = np.sin(np.arange(100_000) / 300)
    values[spike_at] = 50.0
    rows = extremes(values, 1200)
    assert spike_at in rows
    assert len(rows) <= 2400
    assert (np.diff(rows) > 0).all()
    assert spike_at in extremes(-values, 1200)


def test_short_line_is_whole() -> None:
    """A line that has room is not thinned out."""
    assert extremes(np.zeros(300)).tolist() == list(range(300))


def test_line_is_broken_where_nothing_is_known() -> None:
    """Rows without a value leave a gap, and do not hide the values beside them."""
    values = np.ones(10_000)
    values[2000:4000] = np.nan
    values[1999] = 7.0
    shown = values[extremes(values, 100)]
    assert np.isnan(shown).any()
    assert np.nanmax(shown) == 7.0


@pytest.mark.parametrize("rows", [1201, 4320, 24_000, 100_000])
@pytest.mark.parametrize("spike", [0.0, 1.0])
def test_heat_map_keeps_a_spike(rows: int, spike: float) -> None:
    """One row that leaves what its metric does is seen, whichever way it goes."""
    rng = np.random.default_rng(0)
    values = 0.5 + 0.02 * rng.standard_normal((rows, 3))
    for at in (0, rows // 2, rows - 1):
        changed = values.copy()
        changed[at, 1] = spike
        first, kept = typical(changed, np.full(3, 0.5))
        assert (kept[:, 1] == spike).any()
        assert not (kept[:, [0, 2]] == spike).any()
        assert len(first) == len(kept) <= 1200
        assert (np.diff(first) > 0).all()


def test_heat_map_does_not_exaggerate() -> None:
    """A metric that swings inside every piece is shown in the middle, not at its ends."""
    swing = (0.5 + 0.5 * np.sin(np.arange(100_000) / 3))[:, None]
    _, kept = typical(swing, np.array([0.5]))
    assert np.abs(kept - 0.5).max() < 0.3


def test_names_are_no_mathematics() -> None:
    """Dollars are printed, and long names shortened."""
    assert literal("a$b$") == r"a\$b\$"
    assert literal("abcdef", 4) == "abc…"
