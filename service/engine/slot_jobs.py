"""What the bank does with single streams beside scoring: jobs for the batcher.

They look the bank up when they run: it may have been replaced since they were asked for.
"""

from models.blocks import Int
from models.options import StreamOptions
from service.engine.errors import TooFewObservations
from service.engine.model import Model, Stream, slots_of


def start(model: Model, slots: Int, options: StreamOptions) -> None:
    """Begin streams."""
    model.bank.start(slots, options)


def configure(stream: Stream) -> None:
    """Change how a stream is judged."""
    stream.model.bank.configure(slots_of([stream]), stream.options)


def accept(stream: Stream) -> None:
    """Take a stream's last observations as its usual level.

    Raises:
        TooFewObservations: If too few of them are held.
    """
    if not stream.model.bank.accept(slots_of([stream]))[0]:
        raise TooFewObservations(stream.stream_id)


def clear(stream: Stream) -> None:
    """Zero a slot that nobody uses any more."""
    stream.model.bank.clear(slots_of([stream]))
