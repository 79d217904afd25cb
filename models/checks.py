"""What a scorer without sizes checks before it is built, and of what it is handed."""

from typing import Any

from models.base import State, Weights
from models.blocks import Float32
from models.spec import Spec


def check_no_sizes(spec: Spec) -> None:
    """Refuse a spec that gives sizes to a scorer that has none.

    Raises:
        ValueError: If there is any size.
    """
    if spec.scorer.sizes:
        raise ValueError(
            f"the scorer '{spec.scorer.name}' takes no sizes; given: {spec.scorer.sizes}"
        )


def check_weights(weights: Weights, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse weights of other names or shapes.

    Raises:
        ValueError: If a weight is missing, unknown or of the wrong shape.
    """
    found: dict[str, Any] = {name: weight.shape for name, weight in weights.items()}
    if found != shapes:
        raise ValueError(f"weights do not fit the spec: {found}, expected {shapes}")


def check_x(x: Float32, dimensions: int, n_features: int) -> None:
    """Refuse observations that are not `[B, F]`, or `[T, B, F]` along streams.

    Raises:
        ValueError: If the shape is another one.
    """
    if x.ndim != dimensions or x.shape[-1] != n_features:
        wanted = ", ".join(["T", "B", str(n_features)][-dimensions:])
        raise ValueError(f"x {x.shape} does not fit: [{wanted}] needed")


def check_state(state: State, x: Float32, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse a state of other streams than those of x.

    Args:
        state: Of B streams.
        x: Observations, the last but one dimension the streams.
        shapes: Of one stream's part by name.

    Raises:
        ValueError: If a part is missing or not as long as x.
    """
    batch = x.shape[-2:-1]
    for name, shape in shapes.items():
        found = state[name].shape if name in state else None
        if found != (*batch, *shape):
            raise ValueError(f"state '{name}' {found} does not fit x {x.shape}")
