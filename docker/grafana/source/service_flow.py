"""What comes in, how fast it is judged, what waits."""

from typing import Final

from boards import SERVICE, Section
from frames import GREEN, RED, Frame, Query
from grafana_foundation_sdk.models import dashboard as parts
from panels import against, areas, heat, lines, shares
from service_queries import RATE, RECEIVED, REFUSED, buckets, fill, quantile

_STREAMS_FILL: Final = (
    f"max(sum by (instance) (stepwatch_streams{{{SERVICE}}}) "
    f"/ on (instance) stepwatch_streams_limit{{{SERVICE}}})"
)

_DOORS = areas(
    Frame(
        title="Observations by door",
        about="What comes in each second, by door. A door that falls to nothing: its senders are "
        "gone. Much by http-json: batches or Arrow frames cost far less for each observation.",
        width=8,
        unit="ops",
    ),
    Query(f"sum by (door) (rate({RECEIVED}))", "{{door}}"),
    Query(
        f"sum(rate(stepwatch_observations_scored_total{RATE}))",
        "scored",
    ),
).override_by_name(
    "scored",
    [
        parts.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "B"}),
        parts.DynamicConfigValue("custom.fillOpacity", 0),
        parts.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
    ],
)

_REASONS = areas(
    Frame(
        title="Refusals by reason",
        about="Refused observations each second. duplicate, out-of-order: a sender repeats or "
        "two send the same stream. wrong-width, metric-names: it has another model's metrics. "
        "no-model: no pattern or default fits the stream. too-many-streams: raise MAX_STREAMS. "
        "snapshot-unavailable: the store is away.",
        width=8,
        unit="ops",
        empty="none refused",
    ),
    Query(f"sum by (reason) (rate({REFUSED})) > 0", "{{reason}}"),
)

_PROBLEMS = areas(
    Frame(
        title="Problems by type",
        about="Whole requests and frames answered with a problem, each second. overloaded (429): "
        "senders must slow down or the service needs a second instance. malformed, invalid: a "
        "sender is broken. not-ready (503): during a start.",
        width=8,
        unit="reqps",
        empty="no problem so far",
    ),
    Query(f"sum by (type) (rate(stepwatch_problems_total{RATE}))", "{{type}}"),
)

_LATENCY = against(
    lines(
        Frame(
            title="Latency, from decoded to judged",
            about="Half of all observations are judged faster than p50, all but a hundredth "
            "faster than p99. p99 alone rises: something holds the loop or the core now and then "
            "(a snapshot, another process). Both rise: too much comes for one core. The line is "
            "the objective, 99 % within 100 ms, that StepwatchLatencyBudgetBurning stands on.",
            width=8,
            unit="s",
            steps=((None, GREEN), (0.1, RED)),
        ),
        Query(quantile(0.5, "ingest_to_verdict_seconds"), "p50"),
        Query(quantile(0.9, "ingest_to_verdict_seconds"), "p90"),
        Query(quantile(0.99, "ingest_to_verdict_seconds"), "p99"),
    )
)

_LATENCIES = heat(
    Frame(
        title="Latency, how it spreads",
        about="How many observations took how long. Two bands: two kinds of senders, or batches "
        "that wait for one another. A band that moves up with the load: near the limit.",
        width=8,
        unit="s",
    ),
    buckets("ingest_to_verdict_seconds"),
)

_BATCHES = lines(
    Frame(
        title="Rows scored at a time",
        about="Mean and p99 of the size of batches. It grows with the load: that is how a core "
        "keeps up. Always 1 at a high rate: senders wait for each answer; let them send more at "
        "once. At thousands: near the limit.",
        width=8,
        unit="short",
    ),
    Query(
        f"sum(rate(stepwatch_batch_rows_sum{RATE})) / sum(rate(stepwatch_batch_rows_count{RATE}))",
        "mean",
    ),
    Query(quantile(0.99, "batch_rows"), "p99"),
)

_QUEUES = shares(
    Frame(
        title="Queues against their limits",
        about="Of the fullest instance: observations that wait to be scored (MAX_WAITING), "
        "verdicts that wait for a sink (SINK_ROWS), streams in memory (MAX_STREAMS). Full: "
        "429, dropped verdicts, refused streams. One sink alone fills: that sink is slow or "
        "away. All fill: too much comes.",
        width=8,
        unit="percentunit",
        steps=((None, GREEN), (0.8, RED)),
    ),
    Query(fill("waiting_observations"), "observations"),
    Query(fill("sink_waiting_verdicts", " by (sink)"), "sink {{sink}}"),
    Query(_STREAMS_FILL, "streams"),
)

_WAITING = lines(
    Frame(
        title="What waits",
        about="The same in numbers: observations to be scored, verdicts and alerts for each sink. "
        "Alerts that wait for long do not reach whoever is on duty: look at the sink first.",
        width=8,
        unit="short",
    ),
    Query(f"sum(stepwatch_waiting_observations{{{SERVICE}}})", "observations"),
    Query(f"sum by (sink) (stepwatch_sink_waiting_verdicts{{{SERVICE}}})", "{{sink}}: verdicts"),
    Query(f"sum by (sink) (stepwatch_sink_waiting_alerts{{{SERVICE}}})", "{{sink}}: alerts"),
)

_PHASES = areas(
    Frame(
        title="Streams by phase",
        about="live: scored and judged. warmup, washout: not judged yet. away: let go to the "
        "store, will come back as they send. Many fall back to washout at once: a gap in what "
        "they send, or another checkpoint.",
        width=8,
        unit="short",
    ),
    Query(f"sum by (phase) (stepwatch_streams{{{SERVICE}}})", "{{phase}}"),
    Query(f"sum(stepwatch_streams_away{{{SERVICE}}})", "away"),
)

INCOMING: Final = Section("What comes in", [_DOORS, _REASONS, _PROBLEMS])
SPEED: Final = Section("How fast it is judged", [_LATENCY, _LATENCIES, _BATCHES])
WAITING: Final = Section("What waits, and how many there are", [_QUEUES, _WAITING, _PHASES])
