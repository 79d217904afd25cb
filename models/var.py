"""Next-step prediction by a vector autoregression of order 1, its matrix found by ridge regression.

Luetkepohl, "New Introduction to Multiple Time Series Analysis" (2005), chapter 2, for the model;
Hoerl and Kennard, "Ridge Regression" (1970), for the penalty.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.base import Weights
from models.blocks import Bool, Float32
from models.checks import check_no_sizes
from models.one_vector import OneVectorScorer
from models.spec import Spec

GRID: Final = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""Penalties that are tried, in shares of the metrics' mean sum of squares; the first of equals."""
HELD_OUT: Final = 5
"""One part in so many, the last, of what is trained on chooses the penalty."""
MIN_ROWS: Final = 4
"""Three pairs of neighbours, of which one is held out."""


class VARScorer(OneVectorScorer):
    """Expects matrix @ last + intercept, clipped as observations are.

    What is expected stands in for what is missing, over and over if need be: without the clip an
    unstable matrix would grow beyond all bounds.

    Args:
        spec: What to build; it has no sizes.
        weights: `start` and `intercept`, `[F]` each, and `matrix`, `[F, F]`.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        super().__init__(spec, weights)
        matrix = np.array(weights["matrix"], np.float32)
        self._from_last: Final = torch.from_numpy(np.ascontiguousarray(matrix.T))
        self._intercept: Final = torch.from_numpy(np.array(weights["intercept"], np.float32))
        self._clip: Final = spec.scaler.clip

    @classmethod
    def shapes(cls, features: int) -> dict[str, tuple[int, ...]]:
        """Give the shape of each weight by name."""
        return {"start": (features,), "matrix": (features, features), "intercept": (features,)}

    @classmethod
    def solve(cls, spec: Spec, x: Float32) -> Weights:
        """Choose the penalty on the last fifth of `x[T, F]`, then solve with it on all of it.

        Raises:
            ValueError: If there is a size, or there are fewer than 4 rows.
        """
        check_no_sizes(spec)
        if len(x) < MIN_ROWS:
            raise ValueError(f"{len(x)} rows are too few for a var; at least {MIN_ROWS} needed")
        rows = torch.from_numpy(np.array(x, np.float64))
        last, following = rows[:-1], rows[1:]
        split = len(last) - max(len(last) // HELD_OUT, 1)
        errors = [
            (last[split:] @ matrix.T + intercept - following[split:]).square().mean().item()
            for matrix, intercept in _ridge(last[:split], following[:split], GRID)
        ]
        best = GRID[int(np.argmin(errors))]
        ((matrix, intercept),) = _ridge(last, following, (best,))
        found = {"start": rows.mean(dim=0), "matrix": matrix, "intercept": intercept}
        return {name: tensor.numpy().astype(np.float32) for name, tensor in found.items()}

    def _expected(self, vector: Float32) -> Float32:
        last = torch.from_numpy(vector).reshape(-1, self.n_features)
        expected: Float32 = torch.addmm(self._intercept, last, self._from_last).numpy()
        np.maximum(expected, self._clip[0], out=expected)
        np.minimum(expected, self._clip[1], out=expected)
        return expected.reshape(vector.shape)

    def _after(self, expected: Float32, filled: Float32, started: Bool) -> Float32:
        return filled

    def _path(self, vector: Float32, started: Bool, x: Float32) -> Float32:
        """Fill in what is missing, in order of time: an expectation may follow from another."""
        path = np.concatenate([vector[None], x])
        missing = np.isnan(path)
        for t in np.flatnonzero(missing.any(axis=(1, 2))):
            np.copyto(path[t], self._expected(path[t - 1]), where=missing[t])
        return path


def _ridge(
    last: Tensor, following: Tensor, penalties: tuple[float, ...]
) -> list[tuple[Tensor, Tensor]]:
    """Regress `following` on `last`, `[N, F]` each; the intercept is not penalised.

    Returns:
        Matrix `[F, F]` and intercept `[F]` for each penalty.
    """
    mean, mean_following = last.mean(dim=0), following.mean(dim=0)
    centred = last - mean
    squares = centred.T @ centred
    products = centred.T @ (following - mean_following)
    scale = squares.diagonal().mean()
    one = torch.eye(len(mean), dtype=last.dtype) * (scale if scale > 0 else 1.0)
    found = []
    for penalty in penalties:
        matrix = torch.linalg.solve(squares + penalty * one, products).T
        found.append((matrix, mean_following - matrix @ mean))
    return found
