"""`stepwatch train`: from a recorded file to a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from models.checkpoint import Checkpoint
from models.epochs import FitOptions
from models.fit import fit
from models.reading import read
from models.recording import Recording
from models.spec import ScorerSpec, ThresholdSpec
from service.cli.console import (
    DataDir,
    Step,
    TimeColumn,
    check_name,
    fail,
    failing_clearly,
    settings_of,
    stderr,
    tell,
)
from service.cli.progress import training_bar

_DEFAULTS = FitOptions()
_Policy = Literal["clip", "all", "exclude"]


def train(
    file: Annotated[Path, typer.Argument(help="CSV, or npz with an array 'train'.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    scorer: Annotated[str, typer.Option(help="Which network.")] = "gru",
    hidden: Annotated[int, typer.Option(min=1, help="Hidden units.")] = 64,
    epochs: Annotated[int, typer.Option(min=1, help="Most epochs.")] = _DEFAULTS.epochs,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 0,
    step: Step = None,
    time_column: TimeColumn = None,
    window: Annotated[int, typer.Option(min=2, help="Scores the threshold looks at.")] = 1000,
    z: Annotated[float, typer.Option(help="Sigmas between mean and threshold.")] = 8.0,
    policy: Annotated[_Policy, typer.Option(help="How anomalous scores count.")] = "clip",
    data_dir: DataDir = None,
) -> None:
    """Train on normal behaviour; the last 20 % of the rows are kept for validation."""
    settings = settings_of(data_dir=data_dir)
    check_name(name)
    with failing_clearly():
        threshold = _threshold(window, z, policy)
        recording = read(file, part="train", time_column=time_column)
        options = FitOptions(
            scorer=ScorerSpec(name=scorer, sizes={"hidden": hidden}),
            epochs=epochs,
            seed=seed,
            source=file.name,
        )
        checkpoint = _fitted(recording, options, step or recording.step_s)
        spec = msgspec.structs.replace(checkpoint.spec, threshold=threshold)
        checkpoint = replace(checkpoint, spec=spec).save(settings.models_dir / name)
    _tell_trained(checkpoint, settings.models_dir / name)


def _fitted(recording: Recording, options: FitOptions, step_s: float | None) -> Checkpoint:
    with training_bar(stderr) as show:
        options = replace(options, on_batch=show)
        return fit(recording.values, recording.metrics, options, step_s=step_s)


def _tell_trained(checkpoint: Checkpoint, path: Path) -> None:
    facts = checkpoint.spec.training
    tell(
        f"model '{path.name}': {len(checkpoint.spec.metrics)} metrics, {facts.rows} rows, "
        f"{facts.epochs} epochs (best {facts.best_epoch}) in {facts.seconds:.1f} s, "
        f"validation loss {facts.validation_loss:.6f}\n"
        f"{path}\n"
        f"next: stepwatch serve --default-model {path.name}"
    )


def _threshold(window: int, z: float, policy: str) -> ThresholdSpec:
    """Check the threshold's options as a checkpoint would."""
    default = ThresholdSpec()
    raw = {
        "window": window,
        "z": z,
        "policy": policy,
        "sigma_floor": default.sigma_floor,
        "min_scores": min(default.min_scores, window),
    }
    try:
        return msgspec.convert(raw, ThresholdSpec)
    except msgspec.ValidationError as error:
        fail(f"threshold: {error}")
