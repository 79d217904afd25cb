"""Where a picture goes: checked before the work, written beside and then renamed."""

import importlib.util
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg", ".pdf")
HOW_TO_GET: Final = "To get them: pip install matplotlib, beside stepwatch"


class PictureError(Exception):
    """A picture can't be drawn or has no place; says what to do."""


def can_draw() -> bool:
    """Say whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def check_place(path: Path) -> None:
    """Fail before the work where its picture can't be written after it.

    Raises:
        PictureError: matplotlib is not installed, the ending is of no kind that is drawn, or the
            directory is not there or may not be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise PictureError(f"{path}: can't draw '{path.suffix}' files; end the name in {known}")
    if path.is_dir():
        raise PictureError(f"{path}: is a directory; name a file in it")
    if not path.parent.is_dir():
        raise PictureError(f"{path}: there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PictureError(f"{path}: may not write to {path.parent}")
    if not can_draw():
        raise PictureError(f"no pictures: matplotlib is not installed. {HOW_TO_GET}")


def save(picture: "Figure", path: Path) -> None:
    """Write a picture beside its place, in the format of its ending, then rename it.

    Raises:
        OSError: If the disk does not take it; what stood there before stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with warnings.catch_warnings():
            # a name in letters that the font lacks shows as boxes: that is seen in the picture
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            picture.savefig(beside, format=path.suffix[1:].lower())
        os.replace(beside, path)  # noqa: PTH105 - says better what it does than Path.replace
    finally:
        beside.unlink(missing_ok=True)
