"""The dashboard of streams: which behave unusually, since when, and which have gone quiet."""

from boards import board
from grafana_foundation_sdk.models import dashboard as parts
from streams_course import COURSE, FOUND, SENDING
from streams_now import NOW


def built() -> parts.Dashboard:
    """Build it."""
    about = "Which streams behave unusually, since when, and which have gone quiet."
    return board("streams", about, ["model", "stream"], [NOW, COURSE, FOUND, SENDING])
