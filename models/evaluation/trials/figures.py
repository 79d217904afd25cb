"""What an evaluation found: the run of one scorer over one machine, and the figures of it."""

from dataclasses import dataclass

from msgspec import Struct

from models.blocks import Bool, Float64
from models.evaluation.metrics.adjusted import PointAdjusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one scorer said of one machine's test part, row by row, `[N]` each.

    Attributes:
        machine: Name of the machine.
        scorer: What was evaluated, as asked for: `gru`, or `gru/mse` with its scoring rule.
        score: Instant scores; NaN where there was none.
        smoothed: Smoothed scores; None where the scoring has none.
        threshold: Thresholds as they stood before each score; NaN where there was none.
        severity: How far above the level, 1 at it; NaN where there was no threshold.
        is_anomaly: What the verdicts said.
        train_s: Seconds that training took.
        us_per_observation: Microseconds the bank took for one observation, in blocks of one stream.
    """

    machine: str
    scorer: str
    score: Float64
    smoothed: Float64 | None
    threshold: Float64
    severity: Float64
    is_anomaly: Bool
    train_s: float
    us_per_observation: float


class Ranking(Struct, frozen=True, kw_only=True):
    """How well a score separates, whatever the threshold; all in [0, 1], higher is better.

    Attributes:
        auc_pr: Average precision.
        auc_roc: Area under the receiver operating characteristic.
        vus_pr, vus_roc: Volumes under the surfaces of range-AUC over windows of 0 to 100 steps.
    """

    auc_pr: float
    auc_roc: float
    vus_pr: float
    vus_roc: float


class Level(Struct, frozen=True, kw_only=True):
    """What alarms at one level are worth.

    Attributes:
        z: Sigmas above the mean; None where it was not set but found.
        asked: False alarms per day that were asked for; None where z was set.
        false_alarms_per_day: False alarms a stream-day.
        events_found: Events with an anomaly in them.
    """

    z: float | None
    asked: float | None
    false_alarms_per_day: float
    events_found: int


class Figures(Struct, frozen=True, kw_only=True):
    """All figures of one run.

    Attributes:
        instant: Of the instant score.
        smoothed: Of the smoothed score; None where the scoring has none.
        events: Anomalous segments in the test part.
        delay_steps: Median steps from the begin of an event to its first anomaly, of those found;
            None where none was.
        alarm_share: Share of the rows that are anomalies, 0 to 1.
        days: Length of the test part.
        train_s: Seconds that training took.
        us_per_observation: Microseconds the bank took for one observation, in blocks of one stream.
        levels: The same scores under other levels.
    """

    machine: str
    dataset: str
    scorer: str
    instant: Ranking
    smoothed: Ranking | None
    adjusted: PointAdjusted
    events: int
    events_found: int
    delay_steps: float | None
    false_alarms_per_day: float
    alarm_share: float
    days: float
    train_s: float
    us_per_observation: float
    levels: list[Level]
