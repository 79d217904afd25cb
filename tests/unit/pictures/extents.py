"""Where matplotlib puts its texts, measured by its own renderer."""

from itertools import combinations
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

SLACK_PX = 2.0


def outside(picture: Figure) -> list[str]:
    """Name the texts that reach over the edge of the picture."""
    renderer = _drawn(picture)
    width, height = picture.bbox.width, picture.bbox.height
    found = []
    for text in _texts(picture):
        box = text.get_window_extent(renderer)
        is_in_x = box.x0 >= -SLACK_PX and box.x1 <= width + SLACK_PX
        if not (is_in_x and box.y0 >= -SLACK_PX and box.y1 <= height + SLACK_PX):
            found.append(text.get_text())
    return found


def overlapping(picture: Figure) -> list[tuple[str, str]]:
    """Name the texts that overlap, two by two."""
    renderer = _drawn(picture)
    boxes = [(one.get_text(), one.get_window_extent(renderer)) for one in _texts(picture)]
    return [(a, b) for (a, one), (b, two) in combinations(boxes, 2) if _meet(one, two)]


def all_axes(picture: Figure) -> list[Axes]:
    """List panels, and panels in panels."""
    found: list[Axes] = picture.findobj(Axes)
    return found


def _texts(picture: Figure) -> list[Text]:
    """List what is written; ticks beyond the limits of their axis are not drawn."""
    unseen = set[Text]()
    for axes in all_axes(picture):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low <= tick.get_loc() <= high:
                    unseen |= {tick.label1, tick.label2}
    found = [one for one in picture.findobj(Text) if one not in unseen]
    return [one for one in found if one.get_visible() and one.get_text().strip()]


def _meet(one: Any, two: Any) -> bool:
    is_beside = one.x0 >= two.x1 - SLACK_PX or two.x0 >= one.x1 - SLACK_PX
    return not is_beside and one.y0 < two.y1 - SLACK_PX and two.y0 < one.y1 - SLACK_PX


def _drawn(picture: Figure) -> Any:
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    return canvas.get_renderer()
