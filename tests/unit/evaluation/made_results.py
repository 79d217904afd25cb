"""Results made up for the tests of the report: figures that are known, pictures that are small."""

from typing import Any

import numpy as np

from models.blocks import Int
from models.evaluation.metrics.adjusted import PointAdjusted
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials.figures import Figures, Level, Ranking, Run
from models.evaluation.trials.trial import Result

MINUTE = 60_000_000


def ranking(value: float) -> Ranking:
    """Give a ranking with one value everywhere."""
    return Ranking(auc_pr=value, auc_roc=value, vus_pr=value, vus_roc=value)


def made_figures(machine: str = "m-1", scorer: str = "gru", **known: Any) -> Figures:
    """Give figures that are the same everywhere but for what is said."""
    usual: dict[str, Any] = {
        "dataset": "smd",
        "instant": ranking(0.5),
        "smoothed": ranking(0.6),
        "adjusted": PointAdjusted(precision=0.9, recall=0.8, f1=0.85, random_f1=0.84),
        "events": 4,
        "events_found": 3,
        "delay_steps": 1.0,
        "false_alarms_per_day": 0.5,
        "alarm_share": 0.01,
        "days": 10.0,
        "train_s": 2.0,
        "us_per_observation": 50.0,
        "levels": [
            Level(z=5.0, asked=None, false_alarms_per_day=2.0, events_found=4),
            Level(z=8.0, asked=None, false_alarms_per_day=0.25, events_found=2),
        ],
    }
    return Figures(machine=machine, scorer=scorer, **usual | known)


def made_result(figures: Figures, *, rows: int = 300, n_features: int = 2) -> Result:
    """Give the result that goes with figures: noise with two labelled bursts, of which one alarms.

    The threshold is unknown in the first rows, and there is one false alarm.
    """
    rng = np.random.default_rng(len(figures.machine))
    test = rng.normal(size=(rows, n_features))
    labels = np.zeros(rows, np.bool_)
    labels[rows // 3 : rows // 3 + 5] = labels[2 * rows // 3] = True
    is_anomaly = np.zeros(rows, np.bool_)
    is_anomaly[[rows // 3 + 1, rows - 50]] = True
    score = np.abs(test).mean(axis=1) + 5 * is_anomaly
    threshold = np.where(np.arange(rows) < 20, np.nan, 4.0)
    machine = Machine(
        name=figures.machine,
        dataset=figures.dataset,
        metrics=[f"metric ${at}$" for at in range(n_features)],
        train=rng.normal(size=(200, n_features)),
        test=test,
        labels=labels,
        times=_minutes(rows),
        step_s=60.0,
    )
    run = Run(
        machine=figures.machine,
        scorer=figures.scorer,
        score=score,
        smoothed=None if figures.smoothed is None else score / 2,
        threshold=threshold,
        severity=score / threshold,
        is_anomaly=is_anomaly,
        train_s=figures.train_s,
        us_per_observation=figures.us_per_observation,
    )
    return Result(machine=machine, run=run, figures=figures)


def _minutes(rows: int) -> Int:
    return np.arange(rows, dtype=np.int64) * MINUTE
