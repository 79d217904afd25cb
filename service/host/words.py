"""How readings, reasons and times are told to a person."""

import math
from datetime import datetime

from service.gateway.verdicts import Contributor
from service.host.metrics import metric_of
from service.host.streaming import Reading


def compared(part: Contributor) -> str:
    """Set actual beside expected in a person's words, then the metric's share of the score."""
    actual, expected = _both(part)
    told = f"{metric_of(part.metric).told}:".ljust(32)
    return f"{told}{actual}, expected {expected} ({100 * part.share:.0f} %)"


def is_telling(part: Contributor) -> bool:
    """Tell whether a person sees any difference between actual and expected."""
    actual, expected = _both(part)
    return actual != expected


def _both(part: Contributor) -> tuple[str, str]:
    unit = metric_of(part.metric).unit
    actual = "missing" if part.actual is None else unit.shown(part.actual)
    # what is expected of a metric that is never negative may be predicted a little below 0
    return actual, unit.shown(max(part.expected, 0.0))


def in_short(names: list[str], reading: Reading) -> str:
    """Tell in a line what is being read."""
    values = dict(zip(names, reading.values.tolist(), strict=True))
    written = next((name for name in names if name.endswith("_write_bytes_per_s")), "")
    chosen = {"CPU": "cpu_user_percent", "memory": "memory_used_percent", "disk": written}
    return ", ".join(
        f"{told} {metric_of(name).unit.shown(values[name])}"
        for told, name in chosen.items()
        if not math.isnan(values.get(name, math.nan))
    )


def clock(at_s: float) -> str:
    """Tell a time of day as the clock on the wall shows it."""
    return datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S")


def counted(count: int, what: str) -> str:
    """Tell how many: `no alerts`, `1 alert`, `2 alerts`."""
    return f"{count} {what}" if count == 1 else f"{count or 'no'} {what}s"


def duration(seconds: float) -> str:
    """Tell how long something took: `4 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
