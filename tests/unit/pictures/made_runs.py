"""Runs to draw: waves with anomalies where they are asked for."""

from collections.abc import Sequence

import numpy as np

from models.blocks import Bool, Float64
from models.epochs import EpochLoss
from models.pictures.run import LINES_AT_MOST, NONE, Run
from models.pictures.timeline import timeline
from models.pictures.training import TrainingRun

T0 = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z in microseconds."""
MINUTE = 60_000_000
WAITING = 10
"""Rows at the begin that are not judged."""


def made_run(
    rows: int = 500,
    n_metrics: int = 3,
    anomalies: Sequence[int] = (100, 101, 102, 300),
    *,
    is_dated: bool = True,
) -> Run:
    """Make a run in which metric `row % F` led the anomaly of a row; three in a row are alerts."""
    at = np.arange(rows)
    values = np.sin(at[:, None] / 40 + np.arange(n_metrics)) + 0.01 * (at[:, None] % 7)
    is_anomaly = _flags(rows, anomalies)
    values[is_anomaly] += 3.0
    threshold = np.full(rows, 2.0)
    score = np.where(is_anomaly, 5.0, 0.5 + 0.1 * (at % 5))
    score[:WAITING] = threshold[:WAITING] = np.nan
    return Run(
        title=f"made.csv, judged by model 'made': {len(anomalies)} anomalies, 1 alert",
        facts=f"gru; level: z 8; {rows:,} observations",
        metrics=[f"rack{metric}.power.draw" for metric in range(n_metrics)],
        values=values,
        timeline=timeline(T0 + MINUTE * at if is_dated else None, rows, 60.0),
        minimum=np.full(n_metrics, -1.0),
        maximum=np.full(n_metrics, 1.0),
        expected=values - 3.0 * is_anomaly[:, None] if n_metrics <= LINES_AT_MOST else None,
        score=score,
        smoothed=score * 0.8,
        threshold=threshold,
        is_anomaly=is_anomaly,
        is_waiting=at < WAITING,
        leader=np.where(is_anomaly, at % n_metrics, NONE),
        share=np.bincount(at[is_anomaly] % n_metrics, minlength=n_metrics) / max(len(anomalies), 1),
        alert=np.where(_flags(rows, range(100, min(110, rows))), 0, NONE),
        is_shifted=_flags(rows, range(rows - 50, rows)),
    )


def made_training(
    rows: int = 400, n_metrics: int = 3, epochs: int = 5, threshold: float = 4.0
) -> TrainingRun:
    """Make a training whose first metric has by far the widest residual."""
    rng = np.random.default_rng(0)
    width = 0.2 / (1 + np.arange(n_metrics))
    residual = (width * rng.standard_normal((rows, n_metrics))).astype(np.float32)
    score: Float64 = np.abs(residual / width).mean(axis=1)
    losses = [EpochLoss(one, 1 / one, 0.9 / one) for one in range(1, epochs + 1)]
    return TrainingRun(
        title="model 'made', trained on made.csv",
        facts=f"gru; {rows:,} observations",
        metrics=[f"rack{metric}.power.draw" for metric in range(n_metrics)],
        losses=losses,
        best_epoch=max(epochs - 1, 0),
        train_loss=0.3,
        validation_loss=0.2,
        residual=residual,
        score=score,
        threshold=threshold,
        level="z 8",
        timeline=timeline(T0 + MINUTE * np.arange(rows), rows, 60.0),
    )


def _flags(rows: int, chosen: Sequence[int]) -> Bool:
    flags = np.zeros(rows, np.bool_)
    flags[list(chosen)] = True
    return flags
