"""Where verdicts go, and what is stored."""

from typing import Final

from boards import SERVICE, Section
from frames import GREEN, RED, UP_OR_DOWN, Frame, Query
from grafana_foundation_sdk.models import dashboard as parts
from panels import against, lines, states
from service_queries import RATE

_SINKS = states(
    Frame(
        title="Sinks and stores: up or down",
        about="Whether the last write succeeded. Red: the service's log says why; it tries again "
        "by itself. Short red marks that come again and again: a time-out that is too short, or "
        "a server that is too slow.",
        width=6,
        words=UP_OR_DOWN,
        steps=((None, RED), (1, GREEN)),
    ),
    Query(
        f"min by (sink) (stepwatch_sink_up{{{SERVICE}}}) or "
        f'label_replace(min by (store) (stepwatch_store_up{{{SERVICE}}}), "sink", "store $1", '
        '"store", "(.+)")',
        "{{sink}}",
    ),
)

_LAG = lines(
    Frame(
        title="Lag of sinks",
        about="Age of the oldest that waits for each sink. Seconds and growing: it can't keep up "
        "or is away; what waits is dropped, oldest first, once SINK_ROWS are reached.",
        width=6,
        unit="s",
    ),
    Query(f"max by (sink) (stepwatch_sink_lag_seconds{{{SERVICE}}})", "{{sink}}"),
)

_WRITTEN = lines(
    Frame(
        title="Written by sinks",
        about="Verdicts (scores) and alerts written each second. Less than what is scored and the "
        "lag grows: the sink is too slow; REDIS_SCORES=packed or anomalies costs far less.",
        width=6,
        unit="ops",
    ),
    Query(f"sum by (sink, kind) (rate(stepwatch_sink_written_total{RATE}))", "{{sink}}: {{kind}}"),
)

_LOST = lines(
    Frame(
        title="Dropped and failed",
        about="Dropped verdicts and alerts are lost to that sink; each failed attempt is counted "
        "by its kind, bug is one of ours: please report it. 'listeners': what slow readers of "
        "/v1/live missed.",
        width=6,
        unit="ops",
        empty="nothing",
    ),
    Query(
        f"sum by (sink, kind) (rate(stepwatch_sink_dropped_total{RATE})) > 0",
        "{{sink}} dropped: {{kind}}",
    ),
    Query(
        f"sum by (sink, kind) (rate(stepwatch_sink_errors_total{RATE})) > 0",
        "{{sink}} error: {{kind}}",
    ),
    Query(
        f"sum by (store, kind) (rate(stepwatch_store_errors_total{RATE})) > 0",
        "store {{store}} error: {{kind}}",
    ),
    Query(f"sum(rate(stepwatch_live_missed_total{RATE}))", "listeners missed"),
)

_SNAPSHOT_AGE = against(
    lines(
        Frame(
            title="Age of the oldest change not stored",
            about="What a crash now would lose; a saw-tooth below SNAPSHOT_EVERY_S is as it "
            "should be. Growing without end: the store is away (see its state on the left).",
            width=8,
            unit="s",
            steps=((None, GREEN), (300, RED)),
        ),
        Query(f"max(stepwatch_snapshot_age_seconds{{{SERVICE}}})", "age"),
    )
)

_SNAPSHOTS = lines(
    Frame(
        title="Snapshots written",
        about="Bytes and snapshots a second. Bytes at SNAPSHOT_BYTES_PER_S all the time, and the "
        "age grows: allow more, or save less often.",
        width=8,
        unit="Bps",
    ),
    Query(f"sum(rate(stepwatch_snapshot_bytes_total{RATE}))", "bytes"),
    Query(f"sum(rate(stepwatch_snapshots_saved_total{RATE}))", "snapshots"),
).override_by_name(
    "snapshots",
    [
        parts.DynamicConfigValue("unit", "ops"),
        parts.DynamicConfigValue("custom.axisPlacement", "right"),
    ],
)

_RESTORED = lines(
    Frame(
        title="Restored, let go, reloaded (in all)",
        about="Since the start: streams by what became of their snapshot, streams let go to the "
        "store, and reloads. damaged, foreign, lost: these streams began anew, the log names "
        "them. A failed reload: the old model goes on; `stepwatch check` says what is wrong.",
        width=8,
        unit="short",
    ),
    Query(
        f"sum by (outcome) (stepwatch_snapshots_restored_total{{{SERVICE}}})",
        "streams {{outcome}}",
    ),
    Query(f"sum(stepwatch_streams_evicted_total{{{SERVICE}}})", "streams let go"),
    Query(f"sum by (outcome) (stepwatch_model_reloads_total{{{SERVICE}}})", "reloads {{outcome}}"),
)

SINKS: Final = Section("Where verdicts go", [_SINKS, _LAG, _WRITTEN, _LOST])
STORED: Final = Section("What is stored", [_SNAPSHOT_AGE, _SNAPSHOTS, _RESTORED])
