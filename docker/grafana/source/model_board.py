"""The dashboard of models: how scores spread, how often something is found, what is loaded."""

from typing import Final

from boards import MODEL, SERVICE, Section, board
from first_panels import alive, open_alerts
from frames import GREEN, NONE_IS_GOOD, ORANGE, RED, Frame, Query, Steps
from grafana_foundation_sdk.models import dashboard as parts
from panels import areas, heat, lines, number
from table_panels import Column, rows

_RATE: Final = f"{{{MODEL}}}[$__rate_interval]"
_ANOMALIES: Final = f"rate(stepwatch_anomalies_total{_RATE})"
_SCORED: Final = f"rate(stepwatch_observations_scored_total{_RATE})"
_SHARE: Final[Steps] = ((None, GREEN), (0.01, ORANGE), (0.05, RED))


def _quantile(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le, model) (rate(stepwatch_score_bucket{_RATE})))"


def _small(title: str, about: str, unit: str = "short", steps: Steps = NONE_IS_GOOD) -> Frame:
    return Frame(title=title, about=about, width=4, height=4, unit=unit, steps=steps)


_STATE = alive(4)
_ALERTS = open_alerts(
    4,
    "Alerts on streams of all models that are open now. Not 0: the Streams dashboard names the "
    "streams.",
)
_SHARE_NOW = number(
    _small(
        "Anomalies of what is scored",
        "Share of observations above their threshold. Some in a million are normal: that is what "
        "the false alarms a day ask for. Percents for long: the data is no longer what the model "
        "was trained on.",
        "percentunit",
        _SHARE,
    ),
    # a model without an anomaly so far has no series, and nothing scored is no anomaly
    f"sum({_ANOMALIES}) / (sum({_SCORED}) > 0) or vector(0)",
)
_SHIFTED = number(
    _small(
        "Shifted levels",
        "Streams whose level has shifted. Many of one model at once: what they watch has changed "
        "for all, train it again with newer data.",
        steps=((None, GREEN), (1, ORANGE)),
    ),
    f"sum(stepwatch_streams_shifted{{{SERVICE}}})",
)
_LOADED = number(
    _small(
        "Models loaded",
        "Models that serve, counted once each. Fewer than expected: a checkpoint is missing or "
        "damaged; `stepwatch check` says which.",
        steps=((None, RED), (1, "blue")),
    ),
    f"count(count by (model) (stepwatch_model_info{{{MODEL}}}))",
)
_FAILED = number(
    _small(
        "Failed reloads",
        "Calls of POST /v1/models/{name}/reload that failed in the time shown: the model that was "
        "loaded goes on. The answer to the call and the log say why.",
    ),
    f'round(sum(increase(stepwatch_model_reloads_total{{{SERVICE}, outcome="failed"}}[$__range])))',
)
_QUANTILES = lines(
    Frame(
        title="Quantiles of scores",
        about="Half of a model's scores are below p50, all but a hundredth below p99. Both "
        "rise slowly: the data drifts away from what the model was trained on; train again. "
        "p99 alone rises: some streams behave unusually. A step at a reload (purple mark): "
        "the new checkpoint scores on another scale, thresholds follow.",
        width=24,
        height=9,
        unit="none",
        decimals=2,
    ),
    Query(_quantile(0.5), "{{model}} p50"),
    Query(_quantile(0.9), "{{model}} p90"),
    Query(_quantile(0.99), "{{model}} p99"),
    is_logarithmic=True,
)
_SPREAD = (
    heat(
        Frame(
            title="Distribution of scores: $model",
            about="How many scores fell between which bounds; one picture for each chosen model. "
            "One steady band is as it should be. A second band above it: a group of streams "
            "behaves otherwise. A band that creeps up: drift.",
            width=24,
            height=8,
            unit="none",
        ),
        f"sum by (le) (increase(stepwatch_score_bucket{_RATE}))",
    )
    .repeat("model")
    .repeat_direction("h")
    .max_per_row(2)
)
_FOUND = areas(
    Frame(
        title="Anomalies a minute",
        about="Observations above their threshold, by model. Compare with the false alarms a day "
        "that were asked for, times the number of streams: far more for days, and the level does "
        "not fit the data.",
        width=8,
        unit="opm",
        empty="no anomaly so far",
    ),
    Query(f"60 * sum by (model) ({_ANOMALIES})", "{{model}}"),
)
_RATES = lines(
    Frame(
        title="Anomalies of what is scored",
        about="Share of observations that were anomalies, by model: independent of how many "
        "streams send. It rises while their number does not: the data has changed, or the "
        "level does not fit it any more.",
        width=8,
        unit="percentunit",
        empty="no anomaly so far",
    ),
    Query(f"sum by (model) ({_ANOMALIES}) / sum by (model) ({_SCORED})", "{{model}}"),
)
_WORK = areas(
    Frame(
        title="Observations scored",
        about="Verdicts each second, by model. A model that gets nothing: no stream is assigned "
        "to it (any more), or its senders are gone.",
        width=8,
        unit="ops",
    ),
    Query(f"sum by (model) ({_SCORED})", "{{model}}"),
)
_PHASES = areas(
    Frame(
        title="Streams by model and phase",
        about="Streams of each model and how far they have come. After a reload with another "
        "checkpoint they are washed out on stored observations: a wave of washout that ends soon "
        "is normal.",
        width=8,
        unit="short",
    ),
    # most models have no stream in most phases
    Query(f"sum by (model, phase) (stepwatch_streams{{{MODEL}}}) > 0", "{{model}}: {{phase}}"),
)
_SHIFTS = lines(
    Frame(
        title="Level shifts",
        about="Streams whose level has shifted, and silent ones beside them. A step that stays: "
        "a change that stays; accept the baseline of these streams or train again.",
        width=8,
        unit="short",
    ),
    Query(f"sum(stepwatch_streams_shifted{{{SERVICE}}})", "shifted"),
    Query(f"sum by (model) (stepwatch_streams_silent{{{MODEL}}})", "{{model}}: silent"),
)
_RELOADS = lines(
    Frame(
        title="Reloads (in all)",
        about="Calls of POST /v1/models/{name}/reload since the start, by outcome. A step of "
        "'failed': the old model goes on, mend the checkpoint and call again.",
        width=8,
        unit="short",
        decimals=0,
    ),
    Query(
        f"sum by (outcome) (stepwatch_model_reloads_total{{{SERVICE}}})",
        "{{outcome}}",
    ),
)
_VERSIONS = rows(
    Frame(
        title="Models loaded",
        about="Which weights serve on which instance: content_hash names them, `stepwatch models` "
        "prints the same of what lies on disk. Different hashes of one model: not all instances "
        "were reloaded.",
        width=16,
        height=6,
    ),
    [
        f"stepwatch_model_info{{{MODEL}}} * on (instance, model) group_left "
        f"sum by (instance, model) (stepwatch_streams{{{MODEL}}})"
    ],
    [
        Column("model", "Model"),
        Column("scorer", "Scorer"),
        Column("content_hash", "Content hash"),
        Column("instance", "Instance"),
        Column("Value", "Streams", unit="short"),
    ],
)
_BUILD = rows(
    Frame(
        title="Program",
        about="Version of Stepwatch on each instance. Different ones: a rollout is under way.",
        width=8,
        height=6,
    ),
    [f"stepwatch_build_info{{{SERVICE}}}"],
    [Column("instance", "Instance"), Column("version", "Version")],
)


def built() -> parts.Dashboard:
    """Build it."""
    sections = [
        Section("Now", [_STATE, _ALERTS, _SHARE_NOW, _SHIFTED, _LOADED, _FAILED]),
        Section("What is loaded", [_VERSIONS, _BUILD]),
        Section("How scores spread", [_QUANTILES, _SPREAD]),
        Section("What is found", [_FOUND, _RATES, _WORK]),
        Section("Streams and reloads", [_PHASES, _SHIFTS, _RELOADS]),
    ]
    about = "How the scores of each model spread, how often it finds something, what is loaded."
    return board("model", about, ["model"], sections)
