"""Next-step prediction by a gated recurrent unit with a linear head.

The unit is that of Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder"
(2014), in the form torch.nn.GRU computes (reset gate applied after the product).
"""

from math import isnan
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor, nn

from models.base import Prediction, State, StateLayout, Weights
from models.blocks import Float32
from models.gru_sequence import GRUSequence
from models.spec import Spec

MAX_HIDDEN: Final = 4096
_LANES: Final = 16


class GRUNetwork(nn.Module):
    """The network as it is trained: every step of a window predicts the next."""

    def __init__(self, n_features: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(n_features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, n_features)

    def forward(self, x: Tensor) -> Tensor:
        """Predict `x[:, t + 1]` from `x[:, :t + 1]`; `[B, T, F]` in and out."""
        states, _ = self.gru(x)
        prediction: Tensor = self.head(states)
        return prediction


class GRUScorer:
    """The network as it serves: one step for many streams, the hidden state handed in and out.

    The products with the hidden state that do not depend on the new observation (the n-gate and
    the head, which gives the prediction) are one product; the two other gates accumulate into one
    buffer. That is what makes a step cost little more than its arithmetic.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec: Final = spec
        self.n_features: Final = len(spec.metrics)
        self.n_residuals: Final = self.n_features
        self.hidden: Final = _hidden(spec)
        gates = 2 * self.hidden
        tensors = {
            name: torch.from_numpy(np.array(weight, np.float32)) for name, weight in weights.items()
        }
        to_gates_x, to_gates_h = tensors["gru.weight_ih"].T, tensors["gru.weight_hh"].T
        bias_x, bias_h = tensors["gru.bias_ih"], tensors["gru.bias_hh"]
        self._rz_x = to_gates_x[:, :gates].contiguous()
        self._rz_h = to_gates_h[:, :gates].contiguous()
        self._rz_bias = bias_x[:gates] + bias_h[:gates]
        self._n_x = to_gates_x[:, gates:].contiguous()
        self._n_x_bias = bias_x[gates:].contiguous()
        n_head = torch.cat([to_gates_h[:, gates:], tensors["head.weight"].T], 1)
        n_head_bias = torch.cat([bias_h[gates:], tensors["head.bias"]])
        # a product is a tenth faster where its columns fill whole vector registers
        spare = -n_head.shape[1] % _LANES
        self._n_head = nn.functional.pad(n_head, (0, spare)).contiguous()
        self._n_head_bias = nn.functional.pad(n_head_bias, (0, spare))
        self._sequence = GRUSequence(weights, self.hidden)

    @classmethod
    def build(cls, spec: Spec, weights: Weights) -> Self:
        """Check names and shapes, then build.

        Raises:
            ValueError: If a weight is missing, unknown or of the wrong shape, or the size is.
        """
        features, hidden = len(spec.metrics), _hidden(spec)
        shapes = {
            "gru.weight_ih": (3 * hidden, features),
            "gru.weight_hh": (3 * hidden, hidden),
            "gru.bias_ih": (3 * hidden,),
            "gru.bias_hh": (3 * hidden,),
            "head.weight": (features, hidden),
            "head.bias": (features,),
        }
        found = {name: weight.shape for name, weight in weights.items()}
        if found != shapes:
            raise ValueError(f"weights do not fit the spec: {found}, expected {shapes}")
        return cls(spec, weights)

    @classmethod
    def network(cls, spec: Spec) -> GRUNetwork:
        """Make the network to train.

        Raises:
            ValueError: If the size is missing or impossible.
        """
        return GRUNetwork(len(spec.metrics), _hidden(spec))

    @classmethod
    def weights_of(cls, network: nn.Module) -> Weights:
        """Read the trained weights under torch's names, without the layer number."""
        return {
            name.removesuffix("_l0"): tensor.detach().cpu().numpy().astype(np.float32)
            for name, tensor in network.state_dict().items()
        }

    @property
    def state_layout(self) -> StateLayout:
        """The hidden state, and whether it has seen anything; the prediction follows from it."""
        return {
            "hidden": ((self.hidden,), np.dtype(np.float32)),
            "started": ((), np.dtype(np.bool_)),
        }

    def initial_state(self, n: int) -> State:
        """Begin with zeros."""
        return {
            name: np.zeros((n, *shape), dtype) for name, (shape, dtype) in self.state_layout.items()
        }

    def step(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take one observation of each of B streams, `x[B, F]`."""
        self._check(state, x, dimensions=2)
        residual, expected, hidden = self._next(
            torch.from_numpy(state["hidden"]), torch.from_numpy(x)
        )
        prediction = Prediction(residual.numpy(), expected.numpy(), state["started"].copy())
        return prediction, {"hidden": hidden.numpy(), "started": np.ones(len(x), np.bool_)}

    def run(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take T observations of each of B streams, `x[T, B, F]`."""
        self._check(state, x, dimensions=3)
        if x.shape[1] == 1 and len(x):
            return self._run_one(state, x[:, 0])
        return self._run_many(state, x)

    @torch.inference_mode()
    def _run_many(self, state: State, x: Float32) -> tuple[Prediction, State]:
        steps, batch = x.shape[:2]
        residual = np.empty((steps, batch, self.n_residuals), np.float32)
        expected = np.empty((steps, batch, self.n_features), np.float32)
        valid = np.ones((steps, batch), np.bool_)
        valid[:1] = state["started"]
        hidden, inputs = torch.from_numpy(state["hidden"].copy()), torch.from_numpy(x)
        for t in range(steps):
            at_t, predicted, hidden = self._next(hidden, inputs[t])
            residual[t], expected[t] = at_t.numpy(), predicted.numpy()
        started = state["started"] | (steps > 0)
        return Prediction(residual, expected, valid), {"hidden": hidden.numpy(), "started": started}

    def _run_one(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take T observations of one stream, `x[T, F]`."""
        residual, expected, hidden = self._sequence.run(state["hidden"][0], x)
        valid = np.ones((len(x), 1), np.bool_)
        valid[0] = state["started"]
        prediction = Prediction(residual[:, None], expected[:, None], valid)
        return prediction, {"hidden": hidden[None], "started": valid[-1] | True}

    def _next(self, hidden: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the residual, the expectation and the new hidden state."""
        from_hidden = torch.addmm(self._n_head_bias, hidden, self._n_head)
        expected = from_hidden[:, self.hidden : self.hidden + self.n_features]
        if isnan(x.sum().item()):  # a tenth of what looking at each value costs
            x = torch.where(torch.isnan(x), expected, x)
        gates = torch.addmm(self._rz_bias, x, self._rz_x).addmm_(hidden, self._rz_h).sigmoid_()
        reset, update = gates[:, : self.hidden], gates[:, self.hidden :]
        candidate = torch.addmm(self._n_x_bias, x, self._n_x)
        candidate.addcmul_(reset, from_hidden[:, : self.hidden]).tanh_()
        return x - expected, expected, torch.lerp(candidate, hidden, update)

    def _check(self, state: State, x: Float32, dimensions: int) -> None:
        batch, hidden = x.shape[-2:-1], state["hidden"].shape
        is_fit = x.ndim == dimensions and x.shape[-1] == self.n_features
        if not is_fit or hidden != (*batch, self.hidden) or state["started"].shape != batch:
            raise ValueError(
                f"x {x.shape} with hidden state {hidden} does not fit a GRU of "
                f"{self.n_features} metrics and {self.hidden} hidden units"
            )


def _hidden(spec: Spec) -> int:
    """Read the one size there is."""
    hidden = spec.scorer.sizes.get("hidden", 0)
    if set(spec.scorer.sizes) != {"hidden"} or not 1 <= hidden <= MAX_HIDDEN:
        raise ValueError(
            f"a gru takes one size, 'hidden', from 1 to {MAX_HIDDEN}; given: {spec.scorer.sizes}"
        )
    return hidden
