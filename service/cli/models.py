"""`stepwatch models`: what has been trained."""

from rich import box
from rich.table import Column, Table

from models.checkpoint import Checkpoint, CheckpointError, checkpoints
from service.cli.console import DataDir, complain, level_of, settings_of, stdout, tell

_TO_THE_MINUTE = len("2026-01-31T23:59")


def models(data_dir: DataDir = None) -> None:
    """List the checkpoints in the data directory; damaged ones with their reason."""
    directory = settings_of(data_dir=data_dir).models_dir
    table = _table()
    found = checkpoints(directory)
    for name, path in found.items():
        try:
            spec = Checkpoint.load(path).spec
        except CheckpointError as error:
            complain(name, error)
            continue
        sizes = ", ".join(f"{size} {value}" for size, value in spec.scorer.sizes.items())
        scorer = f"{spec.scorer.name} ({sizes})" if sizes else spec.scorer.name
        facts = spec.training
        table.add_row(
            name,
            f"{scorer}, {level_of(spec.threshold)}",
            str(len(spec.metrics)),
            str(facts.rows),
            f"{facts.epochs} (best {facts.best_epoch})" if facts.epochs else "solved",
            f"{facts.validation_loss:.6f}",
            facts.finished_at[:_TO_THE_MINUTE].replace("T", " "),
        )
    if found:
        stdout.print(table)
    else:
        tell(f"no models in {directory}; train one with 'stepwatch train FILE --name NAME'")


def _table() -> Table:
    """Make columns that a narrow terminal folds but never cuts, the time in one piece."""
    names = ("name", "scorer, level", "metrics", "rows", "epochs")
    folded = [Column(name, overflow="fold") for name in names]
    loss = Column("validation loss", min_width=len("validation"))
    time = Column("trained at (UTC)", no_wrap=True)
    return Table(*folded, loss, time, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
