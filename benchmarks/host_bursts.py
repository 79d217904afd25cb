"""Work made on purpose for `benchmarks.host`: `python -m benchmarks.host_bursts cpu 20`."""

import argparse
import os
import time
from pathlib import Path

FILE_BYTES = 256 << 20
"""Size of the file that a disk burst goes over again and again."""
CHUNK_BYTES = 1 << 20
DISK_BYTES_PER_S = 60 << 20


def spin(seconds: float) -> None:
    """Keep one CPU busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def write(seconds: float, folder: Path) -> None:
    """Write to one file, a mebibyte at a time and each to the disk, 60 a second; then remove it."""
    file = folder / f"burst-{os.getpid()}.bin"
    chunk = os.urandom(CHUNK_BYTES)
    began, written = time.monotonic(), 0
    try:
        with file.open("wb", buffering=0) as open_file:
            while time.monotonic() < began + seconds:
                open_file.write(chunk)
                os.fsync(open_file.fileno())
                written += CHUNK_BYTES
                if written % FILE_BYTES == 0:
                    open_file.seek(0)
                due = began + written / DISK_BYTES_PER_S
                time.sleep(max(0.0, due - time.monotonic()))
    finally:
        file.unlink(missing_ok=True)


def main() -> None:
    """Make one burst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("cpu", "disk"))
    parser.add_argument("seconds", type=float)
    parser.add_argument("--folder", type=Path, default=Path())
    given = parser.parse_args()
    if given.kind == "cpu":
        spin(given.seconds)
    else:
        write(given.seconds, given.folder)


if __name__ == "__main__":
    main()
