"""`stepwatch train`: from a recorded file to a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from models.checkpoint import NAME
from models.epochs import FitOptions
from models.fit import fit
from models.reading import read
from models.spec import ScorerSpec, ThresholdSpec
from service.cli.console import DataDir, Step, fail, failing_clearly, settings_of, stderr, tell
from service.cli.progress import training_bar

_DEFAULTS = FitOptions()


def train(
    file: Annotated[Path, typer.Argument(help="CSV, or npz with an array 'train'.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    scorer: Annotated[str, typer.Option(help="Which network.")] = "gru",
    hidden: Annotated[int, typer.Option(min=1, help="Hidden units.")] = 64,
    epochs: Annotated[int, typer.Option(min=1, help="Most epochs.")] = _DEFAULTS.epochs,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 0,
    step: Step = None,
    time_column: Annotated[str | None, typer.Option(help="Name of the CSV's time column.")] = None,
    window: Annotated[int, typer.Option(min=2, help="Scores the threshold looks at.")] = 1000,
    z: Annotated[float, typer.Option(help="Sigmas between mean and threshold.")] = 8.0,
    policy: Annotated[str, typer.Option(help="Anomalous scores: clip, all or exclude.")] = "clip",
    data_dir: DataDir = None,
) -> None:
    """Train on normal behaviour; the last 20 % of the rows are kept for validation."""
    settings = settings_of(data_dir=data_dir)
    if not NAME.fullmatch(name):
        fail(f"'{name}' is no name: 1 to 100 of A-Z a-z 0-9 . _ - , beginning with one of A-Z 0-9")
    with failing_clearly():
        threshold = _threshold(window, z, policy)
        recording = read(file, part="train", time_column=time_column)
        options = FitOptions(
            scorer=ScorerSpec(name=scorer, sizes={"hidden": hidden}),
            epochs=epochs,
            seed=seed,
            source=file.name,
        )
        with training_bar(stderr) as show:
            checkpoint = fit(
                recording.values,
                recording.metrics,
                replace(options, on_batch=show),
                step_s=step or recording.step_s,
            )
        spec = msgspec.structs.replace(checkpoint.spec, threshold=threshold)
        checkpoint = replace(checkpoint, spec=spec).save(settings.models_dir / name)
    facts = checkpoint.spec.training
    tell(
        f"model '{name}': {len(recording.metrics)} metrics, {facts.rows} rows, "
        f"{facts.epochs} epochs (best {facts.best_epoch}) in {facts.seconds:.1f} s, "
        f"validation loss {facts.validation_loss:.6f}\n"
        f"{settings.models_dir / name}\n"
        f"next: stepwatch serve --default-model {name}"
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
