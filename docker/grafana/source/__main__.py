"""Writes the dashboards.

    python docker/grafana/source [--check]

With `--check` nothing is written: status 1 and the names of files that differ from what would be.
Needs grafana-foundation-sdk of the group `dev`.
"""

import argparse
import json
import sys
from pathlib import Path

import model_board
import service_board
import streams_board
from boards import NAMES
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"
BOARDS = (streams_board.built, service_board.built, model_board.built)


def texts() -> dict[str, str]:
    """Give the text of each file by its name: the same whenever it is asked for."""
    return {
        f"{name}.json": json.dumps(built(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
        for name, built in zip(NAMES, BOARDS, strict=True)
    }


def differing(folder: Path) -> list[Path]:
    """Find the files that are not there or not what would be written."""
    return [
        folder / name
        for name, text in texts().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the dashboards are")
    given = parser.parse_args()
    if given.check:
        stale = differing(given.folder)
        for path in stale:
            sys.stderr.write(f"{path} is not what docker/grafana/source makes: run it and commit\n")
        return int(bool(stale))
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (given.folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
