"""Panels that every board begins with: whether the service is alive, and the open alerts."""

from boards import ALIVE, ALIVE_WORDS, SERVICE, WORST_SERVICE
from frames import NONE_IS_GOOD, Frame
from grafana_foundation_sdk.builders import stat
from panels import number


def alive(width: int) -> stat.Panel:
    """Show whether the service is down, up or ready."""
    return number(
        Frame(
            title="Service",
            about=WORST_SERVICE,
            width=width,
            height=4,
            words=ALIVE_WORDS,
            empty="no target",
        ),
        ALIVE,
    )


def open_alerts(width: int, about: str) -> stat.Panel:
    """Show how many alerts on streams are open."""
    return number(
        Frame(title="Open alerts", about=about, width=width, height=4, steps=NONE_IS_GOOD),
        f"sum(stepwatch_alerts_open{{{SERVICE}}})",
    )
