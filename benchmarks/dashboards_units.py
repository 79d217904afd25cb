"""Numbers as Grafana writes them, by the name of their unit."""

import math
from collections.abc import Callable
from typing import Final

_TIMES: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SIZES: Final = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
_COUNTS: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def written(value: float, unit: str = "short", decimals: int | None = None) -> str:
    """Write a number with its unit; what is no number is a dash."""
    return _UNITS[unit](value, decimals) if math.isfinite(value) else "-"


def _digits(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"  # noqa: PLR2004 - all digits


def _scaled(value: float, decimals: int | None, names: tuple[tuple[float, str], ...]) -> str:
    for size, name in names:
        if abs(value) >= size:
            return f"{_digits(value / size, decimals)} {name}"
    size, name = names[-1]
    return "0" if value == 0 else f"{_digits(value / size, decimals)} {name}"


def _plain(value: float, decimals: int | None) -> str:
    return _digits(value, decimals)


def _count(value: float, decimals: int | None) -> str:
    return (
        _scaled(value, decimals, _COUNTS)
        if abs(value) >= _COUNTS[-1][0]
        else _digits(value, decimals)
    )


def _followed(end: str) -> Callable[[float, int | None], str]:
    return lambda value, decimals: f"{_count(value, decimals)}{end}"


_UNITS: Final[dict[str, Callable[[float, int | None], str]]] = {
    "none": _plain,
    "short": _count,
    "ops": _followed(" ops/s"),
    "opm": _followed(" ops/m"),
    "reqps": _followed(" req/s"),
    "percentunit": lambda value, decimals: f"{_digits(100 * value, decimals)}%",
    "s": lambda value, decimals: _scaled(value, decimals, _TIMES),
    "bytes": lambda value, decimals: _scaled(value, decimals, _SIZES),
    "Bps": lambda value, decimals: f"{_scaled(value, decimals, _SIZES)}/s",
}
