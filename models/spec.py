"""The spec of a checkpoint: everything but the tensors, as it stands in spec.json."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

FORMAT_VERSION: Final = 2
REFERENCE_STEPS: Final = 60
"""Steps of the reference tail, of the washout and of a training window."""

Policy = Literal["clip", "all", "exclude"]
Positive = Annotated[int, Meta(gt=0)]
AboveZero = Annotated[float, Meta(gt=0)]


class ScorerSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which network, by its name in the registry, and its sizes (such as `hidden`)."""

    name: str = "gru"
    sizes: dict[str, Positive] = field(default_factory=lambda: {"hidden": 64})


class ScalerSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Range of each metric in the training data, and the scaled range values are clipped to."""

    minimum: list[float]
    maximum: list[float]
    clip: tuple[float, float] = (-3.0, 3.0)


class ScoringSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a residual becomes a score.

    Attributes:
        rule: Its name in `models.scoring.SCORINGS`.
        top: How many metrics count, where only the largest do.
        smoothing: Weight of the newest score in the smoothed score, which stands beside the
            instant one; None: there is none.
    """

    rule: str = "top"
    top: Positive = 8
    smoothing: Annotated[float, Meta(gt=0, le=1)] | None = 0.2


class TailSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tail of the validation scores, in sigmas above the rolling mean: see `models.tail`.

    Attributes:
        start: Where the tail begins.
        shape: Of the generalised Pareto distribution of the highest excess of each cluster.
        excess: Mean of these.
        gap: Mean steps from the begin of one cluster to the next.
        clusters: How many there were.
    """

    start: AboveZero
    shape: Annotated[float, Meta(lt=1)]
    excess: AboveZero
    gap: AboveZero
    clusters: int


class ThresholdSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults of the rolling threshold, mean + z * max(sigma, sigma_floor).

    Attributes:
        window: Scores it looks at.
        z: Sigmas above the mean; counts where `false_alarms_per_day` is None.
        false_alarms_per_day: How many a stream may raise; z is found from the tail.
        policy: What a score above the threshold does to the window.
        min_scores: Scores below which there is no threshold yet.
        tail: Of the validation scores; None: they were too few.
    """

    window: Annotated[int, Meta(ge=2)] = 1000
    z: AboveZero = 8.0
    false_alarms_per_day: AboveZero | None = 1.0
    policy: Policy = "clip"
    sigma_floor: AboveZero = 1e-6
    min_scores: Annotated[int, Meta(ge=2)] = 100
    tail: TailSpec | None = None


class TrainingFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights came about; for people, no part of the content hash."""

    source: str = ""
    rows: int = 0
    epochs: int = 0
    best_epoch: int = 0
    seed: int = 0
    train_loss: float = 0.0
    validation_loss: float = 0.0
    seconds: float = 0.0
    finished_at: str = ""


class Spec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of spec.json.

    Attributes:
        metrics: Names of the metrics in the order of the columns.
        washout: Own observations a stream takes before it is scored.
        step_s: Usual seconds between observations of the training data, if known.
        content_hash: SHA-256 over weights and spec, training facts apart; set on saving.
    """

    metrics: list[str]
    scaler: ScalerSpec
    scorer: ScorerSpec = ScorerSpec()
    scoring: ScoringSpec = ScoringSpec()
    threshold: ThresholdSpec = ThresholdSpec()
    washout: Annotated[int, Meta(ge=0)] = REFERENCE_STEPS
    step_s: Annotated[float, Meta(gt=0)] | None = None
    training: TrainingFacts = TrainingFacts()
    format_version: int = FORMAT_VERSION
    content_hash: str = ""
