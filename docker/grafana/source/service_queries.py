"""Pieces of queries that panels of the service share."""

from typing import Final

from boards import SERVICE

RATE: Final = f"{{{SERVICE}}}[$__rate_interval]"
RECEIVED: Final = f"stepwatch_observations_received_total{RATE}"
REFUSED: Final = f"stepwatch_observations_refused_total{RATE}"


def quantile(share: float, histogram: str) -> str:
    """Ask for a quantile of a histogram, over all instances."""
    return f"histogram_quantile({share}, sum by (le) (rate(stepwatch_{histogram}_bucket{RATE})))"


def buckets(histogram: str) -> str:
    """Ask how many fell into each bucket of a histogram."""
    return f"sum by (le) (increase(stepwatch_{histogram}_bucket{RATE}))"


def fill(of: str, by: str = "") -> str:
    """Ask how full the fullest of some queues is."""
    return f"max{by} (stepwatch_{of}{{{SERVICE}}} / stepwatch_{of}_limit{{{SERVICE}}})"
