"""Streams at a glance: what is open, who is worst."""

from typing import Final

from boards import MODEL, SERVICE, STREAM, Section
from first_panels import alive, open_alerts
from frames import SEVERITY, Frame, Query
from grafana_foundation_sdk.builders import dashboard
from panels import bars, number
from streams_queries import EXPORTED, FEW_IS_BAD, NAMES, OF_SERIES, SAME, SEVERITY_NOW
from table_panels import Column, rows

_ALIVE = alive(4)

_OPEN = open_alerts(
    4,
    "Alerts that are open now, of all streams and models. Not 0: the table below names the "
    "streams; start with the highest peak. Many at once usually have one cause that the streams "
    "share: a gateway, a site, a deployment, a new model.",
)

_WORST_NOW = number(
    Frame(
        title="Worst severity now",
        about="Score over threshold of the worst of the chosen streams; above 1 its last "
        "observation is an anomaly. A short peak is normal where some false alarms a day are "
        "asked for; an alert opens after several anomalies in a row." + EXPORTED,
        width=4,
        height=4,
        unit="none",
        decimals=2,
        steps=SEVERITY,
    ),
    f"max({SEVERITY_NOW})",
)

_SILENT = number(
    Frame(
        title="Silent streams",
        about="Streams that sent nothing for ten of their usual steps. Some: look at their "
        "sensors, the table below names them. All of a site: its gateway or network. All: nothing "
        "comes in any more, see the Service dashboard.",
        width=4,
        height=4,
        steps=FEW_IS_BAD,
    ),
    f"sum(stepwatch_streams_silent{{{MODEL}}})",
)

_SHIFTED = number(
    Frame(
        title="Shifted levels",
        about="Streams whose level has shifted: most of their last 60 scores are above the "
        "threshold as it stood before. If the new level is to stay, POST "
        "/v1/streams/{id}/accept-baseline once the change is over; else find what changed.",
        width=4,
        height=4,
        steps=FEW_IS_BAD,
    ),
    f"sum(stepwatch_streams_shifted{{{SERVICE}}})",
)

_COUNT = number(
    Frame(
        title="Streams",
        about="Streams in memory. A sudden drop after a restart: they come back as they send; a "
        "lasting one: their sources are gone, or they were let go to the store (MAX_STREAMS).",
        width=4,
        height=4,
    ),
    f"sum(stepwatch_streams{{{MODEL}}})",
)

_ALERTED = rows(
    Frame(
        title="Streams with an open alert",
        about="The worst first by the peak of the alert; 'now' is the severity of the last "
        "observation: below 1 it calms down and the alert will resolve. Click a stream to see it "
        "alone. Why it fired is in the alert itself: its contributors name the metrics.",
        width=12,
        steps=SEVERITY,
        unit="none",
        decimals=2,
        empty="no alert is open",
    ),
    [
        f"max by (instance, model, stream) (stepwatch_stream_alert_severity{{{STREAM}}})",
        # 0 while it is not known: of a query without an answer the other's column has another name
        f"({SEVERITY_NOW}) and {SAME} stepwatch_stream_alert_severity{{{STREAM}}}"
        f" or {SAME} 0 * stepwatch_stream_alert_severity{{{STREAM}}}",
    ],
    [
        *NAMES,
        Column("Value #B", "Now", is_coloured=True),
        Column("Value #A", "Peak", is_coloured=True),
    ],
)

_WORST = bars(
    Frame(
        title="Worst streams now",
        about="Severity (score over threshold) of the last observation; red is above 1, an "
        "anomaly. A bar is bad if it stays: look at its course below. A silent stream keeps its "
        "last." + EXPORTED,
        width=12,
        unit="none",
        decimals=2,
        steps=SEVERITY,
    ),
    Query(f"sort_desc(topk(10, {SEVERITY_NOW}))", "{{stream}}"),
).data_links([dashboard.DashboardLink("Show this stream alone").url(OF_SERIES)])

NOW: Final = Section(
    "Now", [_ALIVE, _OPEN, _WORST_NOW, _SILENT, _SHIFTED, _COUNT, _ALERTED, _WORST]
)
