"""A labelled recording of one machine: normal behaviour to train on, and a part to be judged by."""

from dataclasses import dataclass

from models.blocks import Bool, Float64, Int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of a data set.

    Attributes:
        name: Unique among those evaluated together, such as `smd-1-6`.
        dataset: The set it belongs to, such as `smd`: means are taken over each set.
        metrics: Names of the F metrics.
        train: Raw values taken as normal, in order of time, `[T, F]`, finite.
        test: Raw values to be judged, right after those, `[N, F]`; NaN where missing.
        labels: Which of the test rows are anomalous, `[N]`.
        times: Times of the test rows, microseconds UTC, strictly rising, `[N]`.
        step_s: Usual seconds between two rows.
        windows: NAB's anomaly windows as first and last row of the test part, both included; None
            where the data is not NAB's.
    """

    name: str
    dataset: str
    metrics: list[str]
    train: Float64
    test: Float64
    labels: Bool
    times: Int
    step_s: float
    windows: tuple[tuple[int, int], ...] | None = None
