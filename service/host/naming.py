"""What the stream of this computer is called."""

import re
from typing import Final

from service.engine.directory import id_error

_NO_NAME: Final = "this-computer"
_MOST: Final = 200


def stream_id_of(computer: str) -> str:
    """Make a stream id of a computer's name: what an id can't hold becomes a dash."""
    cleaned = re.sub(r"[^A-Za-z0-9._:@+-]+", "-", computer).strip("-")[:_MOST]
    return _NO_NAME if id_error(cleaned) else cleaned
