"""Tables: the answers of one or more queries side by side, a row for each set of labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from frames import Frame, Query, asked, framed
from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as parts
from grafana_foundation_sdk.models.prometheus import PromQueryFormat


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        field: The label it shows, or `Value`; where there are more queries `Value #A` and so on.
        title: Above it.
        unit: Of its values.
        is_coloured: Whether the steps of the frame colour its cells.
        link: Where a click on a cell leads; the cell's text is `${__value.text}`.
    """

    field: str
    title: str
    unit: str | None = None
    is_coloured: bool = False
    link: str | None = None


def rows(
    frame: Frame, queries: Sequence[str], columns: Sequence[Column], *, is_descending: bool = True
) -> table.Panel:
    """Show the answers to queries now.

    Args:
        frame: What every panel has.
        queries: Query A, B and so on; rows whose labels are the same are joined.
        columns: What is shown, from left to right; the last one sorts.
        is_descending: Whether the largest comes first.
    """
    panel = asked(
        framed(table.Panel(), frame),
        [Query(expr) for expr in queries],
        is_instant=True,
        layout=PromQueryFormat.TABLE,
    )
    sorting = common.TableSortByFieldState().display_name(columns[-1].title).desc(is_descending)
    panel = panel.cell_height(looks.TableCellHeight.SM).filterable(True).sort_by([sorting])
    for step in _transformations(columns):
        panel = panel.with_transformation(step)
    for column in columns:
        panel = panel.override_by_name(column.title, _properties(column))
    return panel


def _transformations(columns: Sequence[Column]) -> list[parts.DataTransformerConfig]:
    """Keep what is shown, join the answers, name and order the columns."""
    names = [column.field for column in columns]
    arranged = {
        "indexByName": {name: at for at, name in enumerate(names)},
        "renameByName": {column.field: column.title for column in columns},
        "excludeByName": {},
    }
    return [
        parts.DataTransformerConfig(
            id_val="filterFieldsByName", options={"include": {"names": names}}
        ),
        parts.DataTransformerConfig(id_val="merge", options={}),
        parts.DataTransformerConfig(id_val="organize", options=arranged),
    ]


def _properties(column: Column) -> list[parts.DynamicConfigValue]:
    found: list[parts.DynamicConfigValue] = []
    if column.unit is not None:
        found.append(parts.DynamicConfigValue("unit", column.unit))
    if column.is_coloured:
        cell = {"type": looks.TableCellDisplayMode.COLOR_TEXT}
        found.append(parts.DynamicConfigValue("custom.cellOptions", cell))
    if column.link is not None:
        link = {"title": "Show ${__value.text}", "url": column.link}
        found.append(parts.DynamicConfigValue("links", [link]))
    return found
