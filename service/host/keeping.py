"""What is kept of this computer between runs: its model, and the readings it was made of."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.checkpoint import Checkpoint, CheckpointError
from service.host.learning import is_stand_in, stand_in
from service.host.recording import Recording

_NAMED: Final = 4
"""So many metrics are named before the rest are counted."""


class Kept:
    """The place of a model in a data directory.

    Args:
        data_dir: The data directory.
        model: Name of the model.
        tell: Is told what a person should know.
    """

    def __init__(self, data_dir: Path, model: str, tell: Callable[[str], None]) -> None:
        self.directory: Final = data_dir / "models" / model
        self.recording: Final = data_dir / f"{model}.csv"
        self._set_aside: Final = data_dir / "set-aside" / model
        self._tell = tell

    def fits(self, names: list[str]) -> bool:
        """Tell whether there is a model of these metrics; another one is set aside."""
        if not self.directory.exists():
            return False
        try:
            checkpoint = Checkpoint.load(self.directory)
        except CheckpointError as error:
            self._move_aside(f"the model can't be used: {error}")
            return False
        if is_stand_in(checkpoint):
            shutil.rmtree(self.directory)
            return False
        if checkpoint.spec.metrics != names:
            self._move_aside(f"the model is of other metrics: {_differing(checkpoint, names)}")
            return False
        return True

    @contextmanager
    def standing_in(self, names: list[str]) -> Iterator[None]:
        """Put a model that judges nothing in the place for the block, where there is none."""
        has_none = not self.directory.exists()
        if has_none:
            stand_in(names).save(self.directory)
        try:
            yield
        finally:
            if has_none and self._holds_stand_in():
                shutil.rmtree(self.directory)

    def _holds_stand_in(self) -> bool:
        """Tell it also where somebody took the directory away meanwhile."""
        try:
            return is_stand_in(Checkpoint.load(self.directory))
        except CheckpointError:
            return False

    def save(self, checkpoint: Checkpoint) -> None:
        """Put a model in its place.

        Raises:
            OSError: If the disk does not take it.
        """
        checkpoint.save(self.directory)
        facts = checkpoint.spec.training
        self._tell(f"Learned from {facts.rows} readings in {facts.seconds:.0f} s.")

    def keep(self, recording: Recording) -> None:
        """Write what was recorded, if anything, so that it can be trained on again.

        Raises:
            OSError: If the disk does not take it.
        """
        if len(recording):
            self.recording.parent.mkdir(parents=True, exist_ok=True)
            recording.write(self.recording)

    def _move_aside(self, why: str) -> None:
        shutil.rmtree(self._set_aside, ignore_errors=True)
        self._set_aside.parent.mkdir(parents=True, exist_ok=True)
        self.directory.rename(self._set_aside)
        self._tell(f"{why}\nIt is set aside in {self._set_aside}; this computer is learned anew.")


def _differing(checkpoint: Checkpoint, names: list[str]) -> str:
    """Say which metrics are new and which are gone."""
    known = checkpoint.spec.metrics
    new = [name for name in names if name not in known]
    gone = [name for name in known if name not in names]
    parts = [f"{_listed(new)} new"] if new else []
    parts += [f"{_listed(gone)} gone"] if gone else []
    return "; ".join(parts) or "they are in another order"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
