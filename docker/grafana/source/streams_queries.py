"""Pieces of queries and texts that panels of streams share."""

from typing import Final

from boards import STREAM
from frames import GREEN, ORANGE
from table_panels import Column

SEVERITY_NOW: Final = (
    f"stepwatch_stream_score{{{STREAM}}} / (stepwatch_stream_threshold{{{STREAM}}} > 0)"
)
"""Severity; a stream without a threshold yet has none."""
SAME: Final = "on (instance, model, stream)"
FEW_IS_BAD: Final = ((None, GREEN), (1, ORANGE))
_HERE: Final = "/d/stepwatch-streams?var-stream=${__value.text:percentencode}&${__url_time_range}"
OF_SERIES: Final = (
    "/d/stepwatch-streams?var-stream=${__field.labels.stream:percentencode}&${__url_time_range}"
)
NAMES: Final = (Column("stream", "Stream", link=_HERE), Column("model", "Model"))
EXPORTED: Final = (
    " Only streams with series of their own are shown: those named by EXPORT and the WORST ones."
)


def worst(count: int) -> str:
    """Choose the streams that were worst at any time of what is shown: the same all along."""
    return f"{SAME} topk({count}, max_over_time(({SEVERITY_NOW})[$__range:$__interval] @ end()))"
