"""The dashboard of the service: does it take, score and hand on what comes, and how fast."""

from boards import board
from grafana_foundation_sdk.models import dashboard as parts
from service_flow import INCOMING, SPEED, WAITING
from service_now import NOW
from service_outward import SINKS, STORED
from service_process import PROCESS


def built() -> parts.Dashboard:
    """Build it."""
    about = "Whether the service takes, scores and hands on what comes, and how fast."
    sections = [NOW, INCOMING, SPEED, WAITING, SINKS, STORED, PROCESS]
    return board("service", about, [], sections)
