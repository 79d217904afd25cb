"""`stepwatch models`: what has been trained."""

from rich.table import Table

from models.checkpoint import Checkpoint, CheckpointError, checkpoints
from service.cli.console import DataDir, complain, settings_of, stdout, tell


def models(data_dir: DataDir = None) -> None:
    """List the checkpoints in the data directory; damaged ones with their reason."""
    directory = settings_of(data_dir=data_dir).models_dir
    table = Table("name", "scorer", "metrics", "rows", "epochs", "validation loss", "trained at")
    found = checkpoints(directory)
    for name, path in found.items():
        try:
            spec = Checkpoint.load(path).spec
        except CheckpointError as error:
            complain(name, error)
            continue
        sizes = ", ".join(f"{size} {value}" for size, value in spec.scorer.sizes.items())
        facts = spec.training
        table.add_row(
            name,
            f"{spec.scorer.name} ({sizes})",
            str(len(spec.metrics)),
            str(facts.rows),
            f"{facts.epochs} (best {facts.best_epoch})",
            f"{facts.validation_loss:.6f}",
            facts.finished_at,
        )
    if found:
        stdout.print(table)
    else:
        tell(f"no models in {directory}; train one with 'stepwatch train FILE --name NAME'")
