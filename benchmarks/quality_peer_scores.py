"""Scores of detectors that others published, on the machines that our own scorers are judged on.

Values go in as shares of the training range, which half-space trees take for granted. Both make
their trees at random: a seed is part of the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from models.blocks import Float32, Float64
from models.evaluation.recordings.machine import Machine
from models.fit import VALIDATION_SHARE
from models.scaler import MinMaxScaler
from models.spec import ScalerSpec

HIGHEST: Final = 1.0
"""No score of either is above it."""
ONE_BY_ONE: Final = 100
"""Rows that the isolation forest is timed on: as a stream has them, one at a time."""
PAPER: Final = {"n_trees": 25, "height": 15, "window_size": 250}
"""Tan, Ting, Liu: "Fast Anomaly Detection for Streaming Data" (IJCAI 2011)."""


class MissingError(Exception):
    """A package of the group `bench` is not installed; says how to install it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a detector said; higher is more unusual.

    Attributes:
        normal: Of the last fifth of the training part, `[V]`.
        test: Of the test part, `[N]`.
        train_s: Seconds that training took.
        us_per_observation: Microseconds of one observation by itself.
    """

    normal: Float64
    test: Float64
    train_s: float
    us_per_observation: float


def half_space_trees(machine: Machine, seed: int, **size: int) -> Scores:
    """Let River's HalfSpaceTrees learn the training part, then score and learn each test row.

    Each row is scored before it is learned, those of the training part's last fifth too.

    Args:
        machine: The machine.
        seed: Of the trees.
        size: `n_trees`, `height`, `window_size`; nothing: as River has them.

    Raises:
        MissingError: If River is not installed.
    """
    try:
        from river.anomaly import HalfSpaceTrees  # noqa: PLC0415 - only this needs it
    except ImportError as error:
        raise _missing("river") from error
    forest = HalfSpaceTrees(**size, seed=seed)
    train, test = (_as_dictionaries(x) for x in _shares(machine))
    split = len(train) - n_normal(machine)
    began = perf_counter()
    for row in train[:split]:
        forest.learn_one(row)
    normal = [_scored_and_learned(forest, row) for row in train[split:]]
    trained = perf_counter()
    scores = [_scored_and_learned(forest, row) for row in test]
    return Scores(
        normal=np.array(normal, np.float64),
        test=np.array(scores, np.float64),
        train_s=trained - began,
        us_per_observation=1e6 * (perf_counter() - trained) / len(test),
    )


def isolation_forest(machine: Machine, seed: int) -> Scores:
    """Fit scikit-learn's IsolationForest as it comes on the training part; it does not learn on.

    The scores of the training part's last fifth are of rows it was fitted on, though each of its
    trees saw 256 rows of all.

    Raises:
        MissingError: If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - only this needs it
    except ImportError as error:
        raise _missing("scikit-learn") from error
    train, test = _shares(machine)
    began = perf_counter()
    forest = IsolationForest(random_state=seed).fit(train)
    train_s = perf_counter() - began
    return Scores(
        normal=-forest.score_samples(train[-n_normal(machine) :]).astype(np.float64),
        test=-forest.score_samples(test).astype(np.float64),
        train_s=train_s,
        us_per_observation=_timed_us(forest.score_samples, test[:ONE_BY_ONE]),
    )


def n_normal(machine: Machine) -> int:
    """Count the rows of the training part that our own scorers keep for validation too."""
    return int(len(machine.train) * VALIDATION_SHARE)


def _timed_us(score: Callable[[Float32], Any], rows: Float32) -> float:
    began = perf_counter()
    for at in range(len(rows)):
        score(rows[at : at + 1])
    return 1e6 * (perf_counter() - began) / len(rows)


def _scored_and_learned(forest: Any, row: dict[int, float]) -> float:
    score = float(forest.score_one(row))
    forest.learn_one(row)
    return score


def _shares(machine: Machine) -> tuple[Float32, Float32]:
    """Scale both parts to the range of the training part, clipped as for our own scorers."""
    train = machine.train
    bounds = ScalerSpec(minimum=train.min(axis=0).tolist(), maximum=train.max(axis=0).tolist())
    scaler = MinMaxScaler.from_spec(bounds)
    return scaler.scale(train), scaler.scale(machine.test)


def _as_dictionaries(rows: Float32) -> list[dict[int, float]]:
    return [dict(enumerate(row)) for row in rows.tolist()]


def _missing(package: str) -> MissingError:
    return MissingError(
        f"{package} is not installed; it is in the dependency group `bench`: "
        "pip install --constraint constraints.txt --group bench"
    )
