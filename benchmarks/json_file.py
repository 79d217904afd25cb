"""Results as JSON, for the plot and for comparisons."""

import json
from pathlib import Path
from typing import Any


def write_json(file: Path | None, told: Any) -> None:
    """Write what was measured, if a file is wanted."""
    if file is not None:
        file.write_text(json.dumps(told, indent=1) + "\n")
