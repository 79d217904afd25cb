"""A machine's training part to a checkpoint, and a checkpoint to one of another scoring rule."""

from dataclasses import dataclass
from typing import Final

import msgspec

from models.checkpoint import Checkpoint
from models.epochs import FitOptions
from models.evaluation.recordings.machine import Machine
from models.fit import VALIDATION_SHARE, fit, rescored, validated
from models.scaler import MinMaxScaler
from models.spec import REFERENCE_STEPS, ScorerSpec, ThresholdSpec

_DEFAULTS: Final = FitOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How to train, where it is not left to the defaults."""

    epochs: int = _DEFAULTS.epochs
    seed: int = _DEFAULTS.seed


def trained(machine: Machine, network: str, options: TrainingOptions) -> Checkpoint:
    """Train a scorer on a machine's training part.

    Raises:
        FitError: If the data can't be trained on.
    """
    default = ScorerSpec()
    scorer = default if network == default.name else ScorerSpec(name=network, sizes={})
    wanted = FitOptions(
        scorer=scorer, epochs=options.epochs, seed=options.seed, source=machine.name
    )
    return fit(machine.train, machine.metrics, wanted, step_s=machine.step_s)


def with_rule(checkpoint: Checkpoint, machine: Machine, rule: str | None) -> Checkpoint:
    """Score by another rule: the validation part is run over once more, the weights stay."""
    spec = checkpoint.spec
    if rule in (None, spec.scoring.rule):
        return checkpoint
    split = len(machine.train) - int(len(machine.train) * VALIDATION_SHARE)
    x = MinMaxScaler.from_spec(spec.scaler).scale(machine.train[split - REFERENCE_STEPS :])
    residual = validated(spec, checkpoint.weights, x)
    scoring = msgspec.structs.replace(spec.scoring, rule=rule)
    # the least sigma is the rule's own, and is found with it
    threshold = msgspec.structs.replace(spec.threshold, sigma_floor=ThresholdSpec().sigma_floor)
    changed = msgspec.structs.replace(spec, scoring=scoring, threshold=threshold)
    return rescored(changed, checkpoint.weights, checkpoint.reference_tail, residual)
