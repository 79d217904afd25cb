"""One thing that was measured beside its floor, and tables of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import median
from typing import Any, Literal

from rich.table import Table

from benchmarks.timing import ratio


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to stay below.

    Attributes:
        of: What is looked at: times the floor, or microseconds a row.
        most: The largest that is well.
    """

    of: Literal["times", "us"]
    most: float

    def __str__(self) -> str:
        """Say it."""
        return f"{self.most:g} times" if self.of == "times" else f"{self.most:g} us"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A cost beside its floor.

    Attributes:
        section: Title of the table it stands in.
        what: Names it.
        rows: Rows at a time.
        us: Microseconds a row.
        floor_us: What that costs at least, or what it is compared with.
        times: As many times the floor; of the repeats the median.
        target: What it is to stay below, if there is anything.
    """

    section: str
    what: str
    rows: int
    us: float
    floor_us: float
    times: float
    target: Target | None = None

    @classmethod
    def of(
        cls,
        where: tuple[str, str, int],
        took_us: Sequence[float],
        floor_us: Sequence[float],
        target: Target | None = None,
    ) -> "Figure":
        """Make it of the repeats.

        Args:
            where: Section, name and rows.
            took_us: Microseconds of all the rows, for each repeat.
            floor_us: As above.
            target: What it is to stay below.
        """
        section, what, rows = where
        return cls(
            section=section,
            what=what,
            rows=rows,
            us=median(took_us) / rows,
            floor_us=median(floor_us) / rows,
            times=ratio(took_us, floor_us),
            target=target,
        )

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None: there is none."""
        if self.target is None:
            return None
        return (self.times if self.target.of == "times" else self.us) <= self.target.most

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self) | {"is_met": self.is_met}


def tables_of(figures: Sequence[Figure]) -> list[Table]:
    """Show figures, a table for each section."""
    found = []
    for section, many in groupby(figures, key=lambda one: one.section):
        table = Table("what", "rows", "us a row", "floor, us", "times", "at most", title=section)
        for one in many:
            times = f"{one.times:,.2f}" if one.times < 100 else f"{one.times:,.0f}"  # noqa: PLR2004
            table.add_row(
                one.what,
                f"{one.rows:,}",
                f"{one.us:,.3f}",
                f"{one.floor_us:,.4f}",
                times,
                "" if one.target is None else f"{one.target}: {'met' if one.is_met else 'missed'}",
            )
        found.append(table)
    return found
