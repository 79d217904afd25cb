"""The service at a glance."""

from typing import Final

from boards import SERVICE, Section
from first_panels import alive, open_alerts
from frames import GREEN, NONE_IS_GOOD, ORANGE, RED, Frame, Steps
from panels import number
from service_queries import RECEIVED, REFUSED, quantile
from table_panels import Column, rows

_SHARES: Final[Steps] = ((None, GREEN), (0.01, ORANGE), (0.05, RED))

_FILLING: Final[Steps] = ((None, GREEN), (0.5, ORANGE), (0.8, RED))

_SLOW: Final[Steps] = ((None, GREEN), (0.05, ORANGE), (0.1, RED))

_OLD: Final[Steps] = ((None, GREEN), (30, ORANGE), (300, RED))


def _small(title: str, about: str, unit: str, steps: Steps, decimals: int | None = None) -> Frame:
    return Frame(
        title=title, about=about, width=3, height=4, unit=unit, steps=steps, decimals=decimals
    )


_STATE = alive(3)

_ALERTS = open_alerts(
    3, "Alerts on streams that are open now. Not 0: the Streams dashboard names the streams."
)

_INCOMING = number(
    _small(
        "Observations a second",
        "All that come in, by any door. 0: nobody sends; check gateways before the service.",
        "ops",
        ((None, RED), (1e-9, "blue")),
    ),
    # without any request so far there is no series at all
    f"sum(rate({RECEIVED})) or vector(0)",
)

_REFUSED_SHARE = number(
    _small(
        "Refused",
        "Share of observations that were refused. Above 1 %: see the reasons below; the answer to "
        "the sender says the same of each row.",
        "percentunit",
        _SHARES,
        1,
    ),
    # nothing came: nothing was refused
    f"sum(rate({REFUSED})) / (sum(rate({RECEIVED})) > 0) or vector(0)",
)

_P99 = number(
    _small(
        "Latency p99",
        "From decoded to judged, of the slowest hundredth. High: see latency and batches below; "
        "queues that fill say that more comes than can be scored.",
        "s",
        _SLOW,
    ),
    quantile(0.99, "ingest_to_verdict_seconds"),
)

_FULLEST = number(
    _small(
        "Fullest queue",
        "The fullest of the queues below against its limit. At 100 % observations get 429, or "
        "the oldest verdicts for a sink are dropped.",
        "percentunit",
        _FILLING,
        1,
    ),
    # each with labels of its own: `or` leaves out series whose labels are there already
    f"max(stepwatch_waiting_observations{{{SERVICE}}}"
    f" / stepwatch_waiting_observations_limit{{{SERVICE}}}"
    f" or label_replace(stepwatch_sink_waiting_verdicts{{{SERVICE}}}"
    f' / stepwatch_sink_waiting_verdicts_limit{{{SERVICE}}}, "of", "verdicts", "", "")'
    f" or label_replace(stepwatch_sink_waiting_alerts{{{SERVICE}}}"
    f" / stepwatch_sink_waiting_alerts_limit{{{SERVICE}}},"
    f' "of", "alerts", "", ""))',
)

_SINKS_DOWN = number(
    _small(
        "Sinks and stores down",
        "Sinks and stores whose last write failed. Not 0: see Sinks below and the service's log; "
        "verdicts wait as long as the queue has room.",
        "short",
        NONE_IS_GOOD,
    ),
    f"sum(1 - stepwatch_sink_up{{{SERVICE}}}) + (sum(1 - stepwatch_store_up{{{SERVICE}}}) "
    # STORE=off: there is none
    "or vector(0))",
)

_AGE = number(
    _small(
        "A crash would lose",
        "Age of the oldest change that is not stored. Above half a minute: the store is away or "
        "slow, or SNAPSHOT_BYTES_PER_S is too little for so many streams.",
        "s",
        _OLD,
    ),
    f"max(stepwatch_snapshot_age_seconds{{{SERVICE}}})",
)

_FIRING = rows(
    Frame(
        title="Alerts on the service itself",
        about="Rules of docker/prometheus/rules that are pending or firing, on any instance. Each "
        "has a runbook in docs/operations.md under its name. Empty although something is wrong: "
        "see whether Prometheus has loaded the rules.",
        width=24,
        height=5,
        empty="no rule is pending or fires",
    ),
    [
        "max by (alertname, alertstate, instance, severity) "
        '(ALERTS{alertname=~"Stepwatch.+", service="stepwatch"})'
    ],
    [
        Column("alertname", "Alert"),
        Column("alertstate", "State"),
        Column("instance", "Instance"),
        Column("severity", "Severity"),
    ],
    is_descending=False,
)

NOW: Final = Section(
    "Is it well",
    [_STATE, _ALERTS, _INCOMING, _REFUSED_SHARE, _P99, _FULLEST, _SINKS_DOWN, _AGE, _FIRING],
)
