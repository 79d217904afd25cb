"""`stepwatch train`: from a recorded file to a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from models.base import is_solved
from models.checkpoint import Checkpoint
from models.epochs import EpochLoss, FitOptions
from models.fit import fit
from models.recording import Recording
from models.registry import SCORERS, scorer_class
from models.spec import ScorerSpec, ScoringSpec, ThresholdSpec
from service.cli.console import (
    DataDir,
    Step,
    TimeColumn,
    check_name,
    fail,
    failing_clearly,
    level_of,
    settings_of,
    stderr,
    tell,
)
from service.cli.pictures import Plot, check_plot, draw_training
from service.cli.progress import training_bar
from service.cli.recorded import recorded
from service.engine.stream_options import LEAST_FALSE_ALARMS

_DEFAULTS = FitOptions()
_SCORING = _DEFAULTS.scoring
_THRESHOLD = _DEFAULTS.threshold
_Policy = Literal["clip", "all", "exclude"]
_Rule = Literal["mse", "standardised", "top"]
_SCORERS = f"Which scorer: {', '.join(sorted(SCORERS))}."
_HIDDEN = "Hidden units of a gru; 64 if not given."
_TOP = "How many metrics count with --scoring top: the most unusual."
_SMOOTHING = "Weight of the newest score in the smoothed one; 0: there is none."
_FALSE_ALARMS = "False alarms a stream may raise a day; sets the level. 1 if no z is given."
_Smoothing = Annotated[float, typer.Option(min=0, max=1, help=_SMOOTHING)]
_Level = Annotated[float | None, typer.Option(help="Sigmas between mean and threshold.")]
_FalseAlarms = Annotated[float | None, typer.Option(help=_FALSE_ALARMS)]


def train(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet, or npz with an array 'train'.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    scorer: Annotated[str, typer.Option(help=_SCORERS)] = _DEFAULTS.scorer.name,
    hidden: Annotated[int | None, typer.Option(min=1, help=_HIDDEN)] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Most epochs.")] = _DEFAULTS.epochs,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 0,
    step: Step = None,
    time_column: TimeColumn = None,
    scoring: Annotated[_Rule, typer.Option(help="How errors become a score.")] = "top",
    top: Annotated[int, typer.Option(min=1, help=_TOP)] = _SCORING.top,
    smoothing: _Smoothing = _SCORING.smoothing or 0.0,
    window: Annotated[int, typer.Option(min=2, help="Scores the threshold looks at.")] = 1000,
    z: _Level = None,
    false_alarms_per_day: _FalseAlarms = None,
    policy: Annotated[_Policy, typer.Option(help="How anomalous scores count.")] = "clip",
    plot: Plot = None,
    data_dir: DataDir = None,
) -> None:
    """Train on normal behaviour; the last 20 % of the rows are kept for validation."""
    settings = settings_of(data_dir=data_dir)
    check_name(name)
    if plot is not None:
        check_plot(plot)
    with failing_clearly():
        threshold = _threshold(window, z, false_alarms_per_day, policy)
        recording = recorded(file, "train", time_column)
        options = FitOptions(
            scorer=_scorer(scorer, hidden),
            scoring=ScoringSpec(rule=scoring, top=top, smoothing=smoothing or None),
            threshold=threshold,
            epochs=epochs,
            seed=seed,
            source=file.name,
            on_epoch=(losses := list[EpochLoss]()).append,
        )
        checkpoint = _fitted(recording, options, step or recording.step_s)
        is_another = (settings.models_dir / name).exists()
        checkpoint = checkpoint.save(settings.models_dir / name)
        if is_another:
            tell(
                f"the model '{name}' that was there is replaced; a service that runs takes this "
                f"one by POST /v1/models/{name}/reload"
            )
        _tell_trained(checkpoint, settings.models_dir / name)
        if plot is not None:
            draw_training(plot, checkpoint, recording, losses, name)
            tell(f"picture: {plot}")


def _scorer(name: str, hidden: int | None) -> ScorerSpec:
    """Give a scorer the sizes it has: hidden units belong to a gru."""
    if name == "gru":
        return ScorerSpec(name=name, sizes={"hidden": 64 if hidden is None else hidden})
    if hidden is not None:
        fail(f"--hidden belongs to --scorer gru; leave it out with '{name}'")
    return ScorerSpec(name=name, sizes={})


def _has_epochs(scorer: ScorerSpec) -> bool:
    """Tell whether a scorer learns in epochs; one that is not there is refused later."""
    return scorer.name not in SCORERS or not is_solved(scorer_class(scorer.name))


def _fitted(recording: Recording, options: FitOptions, step_s: float | None) -> Checkpoint:
    with training_bar(stderr, has_epochs=_has_epochs(options.scorer)) as show:
        options = replace(options, on_batch=show)
        return fit(recording.values, recording.metrics, options, step_s=step_s)


def _tell_trained(checkpoint: Checkpoint, path: Path) -> None:
    spec, facts = checkpoint.spec, checkpoint.spec.training
    epochs = f"{facts.epochs} epochs (best {facts.best_epoch})"
    how = epochs if _has_epochs(spec.scorer) else "solved"
    if spec.step_s is None and spec.threshold.false_alarms_per_day is not None:
        tell(
            "the step of the data is unknown: for false alarms per day, one second is assumed "
            "until a stream's own step is known; give it with --step"
        )
    if len(checkpoint.validation_scores) < spec.threshold.min_scores:
        tell(
            f"few rows: the validation part has {len(checkpoint.validation_scores)} scores, so new "
            f"streams are judged only once they have {spec.threshold.min_scores}"
        )
    tell(
        f"model '{path.name}': {len(spec.metrics)} metrics, {facts.rows} rows, "
        f"{how} in {facts.seconds:.1f} s, "
        f"validation loss {facts.validation_loss:.6f}\n"
        f"scoring {spec.scoring.rule}, {level_of(spec.threshold)}\n"
        f"{path}\n"
        f"next: stepwatch serve --default-model {path.name}"
    )


def _threshold(
    window: int, z: float | None, false_alarms_per_day: float | None, policy: str
) -> ThresholdSpec:
    """Check the threshold's options as a checkpoint would; z takes false alarms' place."""
    if z is not None and false_alarms_per_day is not None:
        fail("give --z or --false-alarms-per-day, not both")
    if false_alarms_per_day is not None and not false_alarms_per_day >= LEAST_FALSE_ALARMS:
        fail(f"--false-alarms-per-day: {LEAST_FALSE_ALARMS:g} or more is wanted")
    asked = _THRESHOLD.false_alarms_per_day if z is None else None
    raw = {
        "window": window,
        "z": _THRESHOLD.z if z is None else z,
        "false_alarms_per_day": asked if false_alarms_per_day is None else false_alarms_per_day,
        "policy": policy,
        "sigma_floor": _THRESHOLD.sigma_floor,
        "min_scores": min(_THRESHOLD.min_scores, window),
    }
    try:
        return msgspec.convert(raw, ThresholdSpec)
    except msgspec.ValidationError as error:
        fail(f"threshold: {error}")
