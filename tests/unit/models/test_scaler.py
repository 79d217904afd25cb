import numpy as np
import pytest

from models.scaler import MinMaxScaler
from models.spec import ScalerSpec


@pytest.fixture
def scaler() -> MinMaxScaler:
    return MinMaxScaler.from_spec(ScalerSpec(minimum=[0.0, 10.0, 5.0], maximum=[2.0, 30.0, 5.0]))


def test_the_training_range_becomes_0_to_1(scaler: MinMaxScaler) -> None:
    """Lower bounds become 0, upper bounds 1, float32; a constant metric keeps its unit."""
    scaled = scaler.scale(np.array([[0.0, 10.0, 5.0], [2.0, 30.0, 6.0]]))
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]


def test_what_lies_far_outside_is_clipped(scaler: MinMaxScaler) -> None:
    """Values many ranges away end at the clip, however large they are."""
    scaled = scaler.scale(np.array([[1e300, -1e300, 9.0]]))
    assert scaled.tolist() == [[3.0, -3.0, 3.0]]


def test_a_huge_value_over_a_tiny_span_is_clipped() -> None:
    """A quotient beyond float64 ends at the clip too, without a warning."""
    scaler = MinMaxScaler.from_spec(ScalerSpec(minimum=[0.0], maximum=[1e-20]))
    assert scaler.scale(np.array([[1e300], [-1e300]])).tolist() == [[3.0], [-3.0]]


def test_missing_stays_missing(scaler: MinMaxScaler) -> None:
    """NaN goes through scaling as NaN."""
    assert np.isnan(scaler.scale(np.array([[np.nan, 10.0, 5.0]]))).tolist() == [
        [True, False, False]
    ]


def test_unscaling_reverses_scaling(scaler: MinMaxScaler) -> None:
    """Values inside the clip come back in raw units within float32."""
    values = np.array([[0.3, 17.0, 5.5]])
    np.testing.assert_allclose(scaler.unscale(scaler.scale(values)), values, rtol=1e-6)


def test_the_input_is_left_alone(scaler: MinMaxScaler) -> None:
    """Scaling writes nothing into the raw values."""
    values = np.array([[100.0, np.nan, 5.0]])
    before = values.copy()
    scaler.scale(values)
    np.testing.assert_array_equal(values, before)
