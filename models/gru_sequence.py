"""The recurrent unit along the observations of one stream.

A step of one stream is twelve operations on a few hundred numbers: what they cost is the calls, and
numpy's cost a third of torch's. What does not depend on the hidden state is one product for all
observations, and so is the head.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import Weights
from models.blocks import Float32


class GRUSequence:
    """A GRU with a linear head, for one stream at a time.

    sigmoid(a) = (1 + tanh(a / 2)) / 2: with the weights of both sigmoid gates halved, all gates are
    one tanh; and with the reset gate's factor 1/2 in the weights of what it multiplies, `1 + tanh`
    is all that is left of it.

    Args:
        weights: Under the names of `GRUScorer`.
        hidden: Units, H.
    """

    def __init__(self, weights: Weights, hidden: int) -> None:
        gates = 2 * hidden
        half: Float32 = np.full(3 * hidden, 0.5, np.float32)
        half_x = half.copy()
        half_x[gates:] = 1.0  # the candidate's own input is not behind the reset gate
        from_x = (weights["gru.weight_ih"].T * half_x).astype(np.float32)
        from_hidden = (weights["gru.weight_hh"].T * half).astype(np.float32)
        bias_x, bias_h = weights["gru.bias_ih"] * half_x, weights["gru.bias_hh"] * half
        bias_x[:gates] += bias_h[:gates]
        self._from_x: Final = np.ascontiguousarray(from_x)
        self._bias_x: Final = bias_x.astype(np.float32)
        # two products, each too small to be shared among threads, which costs more than it brings
        self._gates: Final = np.ascontiguousarray(from_hidden[:, :gates])
        self._candidate: Final = np.ascontiguousarray(from_hidden[:, gates:])
        self._candidate_bias: Final = bias_h[gates:].astype(np.float32)
        self._head: Final = np.ascontiguousarray(weights["head.weight"].T, np.float32)
        self._head_bias: Final = weights["head.bias"].astype(np.float32)

    def run(self, hidden: Float32, x: Float32) -> tuple[Float32, Float32, Float32]:
        """Take observations one after the other.

        Args:
            hidden: The state before them, `[H]`.
            x: Scaled, `[T, F]`, T > 0; NaN means missing.

        Returns:
            Residuals, 0 where missing, and what was expected, `[T, F]` each; the state after them.
        """
        hiddens = np.empty((len(x) + 1, len(hidden)), np.float32)
        hiddens[0] = hidden
        missing = np.isnan(x)
        if missing.any():
            return self._run_with_holes(hiddens, x.copy(), missing)
        self._steps(hiddens, _product(x, self._from_x, self._bias_x))
        expected = _product(hiddens[:-1], self._head, self._head_bias)
        return x - expected, expected, hiddens[-1].copy()

    def _run_with_holes(
        self, hiddens: Float32, x: Float32, missing: NDArray[np.bool_]
    ) -> tuple[Float32, Float32, Float32]:
        """Put what is expected in the place of what is missing, as far as that is known."""
        expected = np.empty_like(x)
        for t, holes in enumerate(missing):
            step = hiddens[t : t + 2]
            expected[t] = step[0] @ self._head + self._head_bias
            x[t, holes] = expected[t, holes]
            self._steps(step, _product(x[t : t + 1], self._from_x, self._bias_x))
        return x - expected, expected, hiddens[-1].copy()

    def _steps(self, hiddens: Float32, from_x: Float32) -> None:
        """Fill in the states after the first, `[T + 1, H]`, from the gates' inputs `[T, 3H]`."""
        size = hiddens.shape[1]
        gates, n, change = np.empty(2 * size, np.float32), *np.empty((2, size), np.float32)
        reset, update = gates[:size], gates[size:]
        steps = zip(
            hiddens, hiddens[1:], from_x[:, : 2 * size], from_x[:, 2 * size :], strict=False
        )
        for hidden, following, gates_x, n_x in steps:
            np.dot(hidden, self._gates, gates)
            gates += gates_x
            np.tanh(gates, gates)
            gates += 1.0
            np.dot(hidden, self._candidate, n)
            n += self._candidate_bias
            n *= reset
            n += n_x
            np.tanh(n, n)
            np.subtract(hidden, n, change)
            change *= update
            change *= 0.5
            np.add(n, change, following)


def _product(rows: Float32, weights: Float32, bias: Float32) -> Float32:
    """Multiply and add, `[T, K]`; numpy's own product of many rows would start threads."""
    product: Float32
    if len(rows) == 1:
        product = np.dot(rows[0], weights)[None]
        product += bias
        return product
    with torch.inference_mode():
        tensors = (torch.from_numpy(one) for one in (bias, rows, weights))
        product = torch.addmm(*tensors).numpy()
    return product
