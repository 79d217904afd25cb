"""Reconstruction of an observation from the principal components of the training data.

The residual is what lies outside of the components: Jackson and Mudholkar, "Control Procedures for
Residuals Associated With Principal Component Analysis" (1979). What is missing is expected as
probabilistic PCA does: Tipping and Bishop, "Probabilistic Principal Component Analysis" (1999).
"""

from typing import Final, Self

import numpy as np
import torch

from models.base import Prediction, State, StateLayout, Weights
from models.blocks import Bool, Float32
from models.checks import check_no_sizes, check_weights, check_x
from models.spec import Spec

KEPT: Final = 0.8
"""Share of the variance that the components keep at least, if fewer than all metrics do."""
_SMALLEST: Final = 1e-6
_AT_ONCE: Final = 1_000_000


class PCAScorer:
    """Expects of an observation what its scores on K components give back; remembers nothing.

    Args:
        spec: What to build; it has no sizes.
        weights: `mean`, `[F]`; `components`, orthonormal rows, `[K, F]`; `shrinkage`, `[K]`: the
            variance that is left out over the variance of each component beyond that.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec: Final = spec
        self.n_features: Final = len(spec.metrics)
        self.n_residuals: Final = self.n_features
        self._mean: Final = np.array(weights["mean"], np.float32)
        self._components: Final = np.array(weights["components"], np.float32)
        self._shrinkage: Final = np.diag(weights["shrinkage"].astype(np.float64))
        self._back: Final = torch.from_numpy(self._components)
        self._to: Final = self._back.T.contiguous()
        mean = torch.from_numpy(self._mean)
        self._offset: Final = mean - mean @ self._to @ self._back

    @classmethod
    def build(cls, spec: Spec, weights: Weights) -> Self:
        """Check names and shapes, then build.

        Raises:
            ValueError: If a weight is missing, unknown or of the wrong shape, or there is a size.
        """
        check_no_sizes(spec)
        features = len(spec.metrics)
        # how many were kept, only the weights say
        kept = len(weights["shrinkage"]) if np.ndim(weights.get("shrinkage", 0)) else 1
        shapes = {"mean": (features,), "components": (kept, features), "shrinkage": (kept,)}
        check_weights(weights, shapes)
        return cls(spec, weights)

    @classmethod
    def solve(cls, spec: Spec, x: Float32) -> Weights:
        """Take as many components of `x[T, F]` as keep 80 % of its variance.

        One direction at least is left out, even of a single metric: with all of them everything
        would be given back, and there would be no residual.

        Raises:
            ValueError: If there is a size.
        """
        check_no_sizes(spec)
        rows = torch.from_numpy(np.array(x, np.float64))
        mean = rows.mean(dim=0)
        centred = rows - mean
        ascending, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
        variance = ascending.flip(0).clamp_min(0.0)
        n_varying = int(torch.count_nonzero(variance > _SMALLEST**2))
        shares = variance.cumsum(0) / variance.sum().clamp_min(_SMALLEST**2)
        kept = int(torch.count_nonzero(shares < KEPT)) + 1
        kept = min(kept, n_varying, len(mean) - 1)
        left_out = variance[kept:].mean()
        beyond = torch.maximum(variance[:kept] - left_out, _SMALLEST * variance[:kept])
        found = {
            "mean": mean,
            "components": vectors.flip(1).T[:kept],
            "shrinkage": (left_out / beyond).clamp_min(_SMALLEST),
        }
        return {name: tensor.numpy().astype(np.float32) for name, tensor in found.items()}

    @property
    def state_layout(self) -> StateLayout:
        """Nothing."""
        return {}

    def initial_state(self, n: int) -> State:
        """Begin with nothing."""
        return {}

    def step(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take one observation of each of B streams, `x[B, F]`."""
        check_x(x, 2, self.n_features)
        return self._reconstructed(x), {}

    def run(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take T observations of each of B streams, `x[T, B, F]`."""
        check_x(x, 3, self.n_features)
        rows = self._reconstructed(x.reshape(-1, self.n_features))
        return Prediction(
            rows.residual.reshape(x.shape),
            rows.expected.reshape(x.shape),
            rows.valid.reshape(x.shape[:2]),
        ), {}

    def _reconstructed(self, x: Float32) -> Prediction:
        missing = np.isnan(x)
        has_gaps = missing.any()
        filled = self._filled(x, missing) if has_gaps else x
        scores = torch.mm(torch.from_numpy(filled), self._to)
        expected: Float32 = torch.addmm(self._offset, scores, self._back).numpy()
        if has_gaps:
            expected[missing] = filled[missing]
        return Prediction(filled - expected, expected, np.ones(len(x), np.bool_))

    def _filled(self, x: Float32, missing: Bool) -> Float32:
        """Put the mean of what is missing, given what is there, in its place; `[B, F]`."""
        filled = x.copy()
        rows = np.flatnonzero(missing.any(axis=1))
        at_once = max(_AT_ONCE // max(self._components.size, 1), 1)
        for begin in range(0, len(rows), at_once):
            part = rows[begin : begin + at_once]
            gaps = missing[part]
            centred = np.where(gaps, 0, x[part] - self._mean).astype(np.float64)
            there = np.where(gaps[:, None], 0, self._components).astype(np.float64)
            squares = there @ self._components.T + self._shrinkage
            scores = np.linalg.solve(squares, there @ centred[:, :, None])[:, :, 0]
            whole = (scores @ self._components + self._mean).astype(np.float32)
            filled[part] = np.where(gaps, whole, x[part])
        return filled
