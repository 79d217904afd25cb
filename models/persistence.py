"""The forecast that everything stays as it is: what every other forecast has to beat."""

import numpy as np

from models.base import Weights
from models.blocks import Bool, Float32
from models.checks import check_no_sizes
from models.one_vector import OneVectorScorer
from models.spec import Spec


class PersistenceScorer(OneVectorScorer):
    """Expects of each metric the value that came last."""

    @classmethod
    def solve(cls, spec: Spec, x: Float32) -> Weights:
        """Take the mean to begin with; there is nothing else to find in `x[T, F]`.

        Raises:
            ValueError: If there is a size.
        """
        check_no_sizes(spec)
        return {"start": x.mean(axis=0, dtype=np.float64).astype(np.float32)}

    def _expected(self, vector: Float32) -> Float32:
        return vector.copy()

    def _after(self, expected: Float32, filled: Float32, started: Bool) -> Float32:
        return filled

    def _path(self, vector: Float32, started: Bool, x: Float32) -> Float32:
        """Carry the last value of each metric over what is missing."""
        path = np.concatenate([vector[None], x])
        missing = np.isnan(path)
        if not missing.any():
            return path
        at = np.arange(len(path))[:, None, None]
        latest = np.maximum.accumulate(np.where(missing, 0, at), axis=0)
        return np.take_along_axis(path, latest, axis=0)
