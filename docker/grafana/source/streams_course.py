"""Streams over time, and which have gone quiet."""

from typing import Final

from boards import MODEL, SERVICE, STREAM, Section
from frames import GREEN, ORANGE, PLAIN, RED, Frame, Query
from grafana_foundation_sdk.models import dashboard as parts
from panels import against, areas, bars, lines
from streams_queries import EXPORTED, NAMES, SEVERITY_NOW, worst
from table_panels import Column, rows

_SEVERITY = against(
    lines(
        Frame(
            title="Severity of the worst streams",
            about="Severity over time of the ten streams that were worst in the time shown; "
            "the line is 1, above it is an anomaly. Peaks alone: single events. A plateau: a "
            "fault or a level shift. Many at once: a common cause. A gap: no observation was "
            "judged (washout, warm-up, or Prometheus could not scrape).",
            width=12,
            height=10,
            unit="none",
            decimals=2,
            steps=((None, GREEN), (1, RED)),
        ),
        Query(f"({SEVERITY_NOW}) and {worst(10)}", "{{stream}}"),
        is_logarithmic=True,
    )
)

_SCORES = lines(
    Frame(
        title="Score against threshold",
        about="Score and threshold (red, dashed) of the three streams that were worst in "
        "the time shown; choose streams above to see theirs. A threshold that climbs with "
        "the scores has learned them: if that was a fault, it will be blind to the next "
        "for a while. A threshold far above all scores: z or the false alarms a day are "
        "set too cautiously.",
        width=12,
        height=10,
        unit="none",
        steps=PLAIN,
    ),
    Query(f"stepwatch_stream_score{{{STREAM}}} and {worst(3)}", "{{stream}}"),
    Query(f"stepwatch_stream_threshold{{{STREAM}}} and {worst(3)}", "{{stream}}, threshold"),
    is_logarithmic=True,
).override_by_regexp(
    "/, threshold$/",
    [
        parts.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
        parts.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": RED}),
    ],
)

_ANOMALIES = areas(
    Frame(
        title="Anomalies a minute",
        about="Observations above their threshold, by model; counted of all streams. A floor that "
        "never ends: the level is set too low for this data, or the model does not fit it: raise "
        "z, ask for fewer false alarms, or train again. A step up in one model: see the worst "
        "streams.",
        width=8,
        unit="opm",
    ),
    Query(
        f"60 * sum by (model) (rate(stepwatch_anomalies_total{{{MODEL}}}[$__rate_interval]))",
        "{{model}}",
    ),
)

_TRANSITIONS = lines(
    Frame(
        title="Alerts: open, and what becomes of them",
        about="Alerts that are open, and how many were opened, updated and resolved a minute. "
        "Opened and resolved in quick turns (flapping): raise ALERT_OPEN_AFTER or ALERT_COOLDOWN. "
        "Opened but never resolved: a level shift, or streams that went silent with an alert open.",
        width=8,
        unit="none",
    ),
    Query(f"sum(stepwatch_alerts_open{{{SERVICE}}})", "open"),
    Query(
        f"60 * sum by (status) (rate(stepwatch_alerts_total{{{SERVICE}}}[$__rate_interval]))",
        "{{status}} a minute",
    ),
)

_MOST = bars(
    Frame(
        title="Most anomalies in the time shown",
        about="Streams by the number of their anomalies. One far ahead of the rest: a sensor that "
        "is broken or behaves unlike the training data; give it a model or a level of its own "
        "([[streams]] in the settings file)." + EXPORTED,
        width=8,
        unit="short",
        decimals=0,
        steps=((None, ORANGE),),
        empty="no anomaly",
    ),
    Query(
        "sort_desc(topk(10, sum by (stream) "
        f"(increase(stepwatch_stream_anomalies_total{{{STREAM}}}[$__range])) > 0))",
        "{{stream}}",
    ),
)

_QUIET = rows(
    Frame(
        title="Silent streams",
        about="How long ago the last observation came, those that fell silent last first. Check "
        "the source; a stream that is gone for good can be forgotten: DELETE /v1/streams/{id}.",
        width=8,
        empty="no stream is silent",
    ),
    [f"max by (model, stream) (stepwatch_stream_silent_seconds{{{STREAM}}})"],
    [*NAMES, Column("Value", "Silent for", unit="s")],
    is_descending=False,
)

_COURSE = lines(
    Frame(
        title="Silent, shifted, not exported",
        about="Silent streams and shifted levels over time; 'not exported' are streams without "
        "series of their own here: they are scored and alerted all the same. To have a stream's "
        "series always, name it in EXPORT; to have more of the worst, raise WORST.",
        width=8,
        unit="short",
    ),
    Query(f"sum(stepwatch_streams_silent{{{MODEL}}})", "silent"),
    Query(f"sum(stepwatch_streams_shifted{{{SERVICE}}})", "shifted"),
    Query(f"sum(stepwatch_streams_not_exported{{{SERVICE}}})", "not exported"),
)

_PHASES = areas(
    Frame(
        title="Streams by phase",
        about="live: scored and judged. warmup: scored, the window holds too few scores to judge. "
        "washout: not scored yet, or again after a gap. Streams that never get live send too "
        "rarely or with gaps; look at their usual step in GET /v1/streams/{id}.",
        width=8,
        unit="short",
    ),
    Query(f"sum by (phase) (stepwatch_streams{{{MODEL}}})", "{{phase}}"),
)

COURSE: Final = Section("Course", [_SEVERITY, _SCORES])
FOUND: Final = Section("Anomalies and alerts", [_ANOMALIES, _TRANSITIONS, _MOST])
SENDING: Final = Section("Who sends, and who does not", [_QUIET, _COURSE, _PHASES])
