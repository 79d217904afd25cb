"""Simulated scores of what can happen to a stream, and a threshold with and without episodes."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import NO_TIME, Bool, Float64, Int
from models.record import Record
from models.shift import Shifts
from models.spec import Policy
from models.threshold import EXCLUDE, RollingThreshold

WINDOW: Final = 1000
Z: Final = 8.0
BEFORE: Final = 1200
"""Usual scores before anything happens; step 0 is the first after them."""
AFTER: Final = 1100
"""Scores after it."""
SECOND: Final = 150
"""Steps from the end of it to a second burst."""
SECOND_STEPS: Final = 10
_SECOND_HEIGHT: Final = 20.0
_SHAPE: Final = 9.0
"""Of the gamma distribution of usual scores, whose mean is 1."""
_FLOOR: Final = 1e-6
_MIN_SCORES: Final = 100
_POLICY: Final[Policy] = "clip"


@dataclass(frozen=True, slots=True)
class Case:
    """Scores over which something happens.

    Attributes:
        name: For people.
        score: `[N]`; the first `BEFORE` are usual.
        level: What the scores scatter around, `[N]`.
        end: Steps after which it is over: scores are as before, or stay as they are.
        second: Step at which a second burst begins.
    """

    name: str
    score: Float64
    level: Float64
    end: int
    second: int

    @property
    def steps(self) -> Int:
        """Count steps from where it begins."""
        return np.arange(len(self.score)) - BEFORE


@dataclass(frozen=True, slots=True)
class Run:
    """What was said of a case, `[N]` each."""

    threshold: Float64
    is_anomaly: Bool
    is_shifted: Bool


def cases(seed: int = 0) -> list[Case]:
    """Simulate a burst, a long anomaly, a level that stays, and one that drifts."""
    return [
        _case("burst, x 100 for 20 steps", np.full(20, 100.0), 1.0, seed),
        _case("long anomaly, x 100 for 200 steps", np.full(200, 100.0), 1.0, seed + 1),
        _case("level x 10 that stays", np.full(1500, 10.0), 10.0, seed + 2),
        _case("slow drift, to x 5 in 1,500 steps", np.linspace(1.0, 5.0, 1500), 5.0, seed + 3),
    ]


def followed(case: Case, *, has_episodes: bool) -> Run:
    """Judge each score, then let it enter; clipped at the threshold, as by default."""
    windows = RollingThreshold(WINDOW, _MIN_SCORES, record := Record())
    record.grow(1)
    windows.scores.grow(1)
    windows.configure(np.arange(1), Z, _FLOOR, _POLICY)
    shifts = Shifts(windows.scores, WINDOW, EXCLUDE)
    ring, one = windows.scores["ring"][0], record.one(0)
    thresholds, since = [], []
    for time, score in enumerate(case.score.tolist()):
        thresholds.append(windows.threshold_one(one))
        told = shifts.follow_one(0, one, time, score, thresholds[-1]) if has_episodes else NO_TIME
        since.append(told)
        windows.enter_one(ring, one, score, thresholds[-1])
    threshold = np.array(thresholds)
    return Run(threshold, case.score > threshold, np.array(since) != NO_TIME)


def _case(name: str, levels: Float64, last: float, seed: int) -> Case:
    """Put levels between usual scores and those at the last level, with a second burst there."""
    level = np.concatenate([np.ones(BEFORE), levels, np.full(AFTER, last)])
    second = len(levels) + SECOND
    level[BEFORE + second : BEFORE + second + SECOND_STEPS] *= _SECOND_HEIGHT
    usual = np.random.default_rng(seed).gamma(_SHAPE, 1 / _SHAPE, len(level))
    return Case(name, level * usual, level, len(levels), second)
