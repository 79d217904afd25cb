"""What is kept of this computer between runs: its model, and the readings it was made of."""

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from models.checkpoint import Checkpoint, CheckpointError
from service.host.learning import is_stand_in, stand_in
from service.host.recording import Recording
from service.host.words import counted

_NAMED: Final = 4
"""So many metrics are named before the rest are counted."""
_SAME_STEP: Final = 0.1
"""Steps that differ by less are the same: `stepwatch train` measures them."""


class Kept:
    """The place of a model in a data directory.

    Args:
        data_dir: The data directory.
        model: Name of the model.
        tell: Is told what a person should know.

    Attributes:
        directory: Where the model lies.
        recording: The readings that it was learned from.
        interrupted: Readings that nothing was learned from yet.
    """

    def __init__(self, data_dir: Path, model: str, tell: Callable[[str], None]) -> None:
        self.directory: Final = data_dir / "models" / model
        self.recording: Final = data_dir / f"{model}.csv"
        self.interrupted: Final = data_dir / f"{model}-interrupted.csv"
        self._set_aside: Final = data_dir / "set-aside"
        self._tell = tell

    def fits(self, names: list[str], every_s: float) -> bool:
        """Tell whether there is a model of these metrics and this step; another is set aside."""
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
        of_model = checkpoint.spec.metrics
        if of_model != names:
            self._move_aside(f"the model is of other metrics: {differing(names, of_model)}")
            return False
        step_s = checkpoint.spec.step_s
        if step_s is not None and not math.isclose(step_s, every_s, rel_tol=_SAME_STEP):
            self._move_aside(f"the model is of a reading every {step_s:g} s, not {every_s:g} s")
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

    def save(self, checkpoint: Checkpoint, recording: Recording) -> None:
        """Put a model in its place, and beside it what it was learned from.

        Raises:
            OSError: If the disk does not take it.
        """
        checkpoint.save(self.directory)
        recording.write(self.recording)
        self.interrupted.unlink(missing_ok=True)
        facts = checkpoint.spec.training
        self._tell(f"Learned from {facts.rows} readings in {facts.seconds:.0f} s.")
        if recording.filled:
            missing = counted(recording.filled, "value")
            self._tell(f"{missing} missing; each is taken to be as in the reading before it.")

    def keep(self, recording: Recording) -> None:
        """Write what was recorded, if anything, beside what an earlier model was learned from.

        Raises:
            OSError: If the disk does not take it.
        """
        if len(recording):
            self.interrupted.parent.mkdir(parents=True, exist_ok=True)
            recording.write(self.interrupted)

    def _move_aside(self, why: str) -> None:
        self._set_aside.mkdir(parents=True, exist_ok=True)
        places = (self._set_aside / f"{self.directory.name}-{number}" for number in count(1))
        place = next(one for one in places if not one.exists())
        self.directory.rename(place)
        self._tell(f"{why}\nIt is set aside in {place}; this computer is learned anew.")


def differing(names: list[str], known: list[str]) -> str:
    """Say which metrics are new beside those `known`, and which are gone."""
    new = [name for name in names if name not in known]
    gone = [name for name in known if name not in names]
    parts = [f"{_listed(new)} new"] if new else []
    parts += [f"{_listed(gone)} gone"] if gone else []
    return "; ".join(parts) or "they are in another order"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
