"""The file store on a disk that is full or may not be written to."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.engine.errors import StoreError
from service.stores.file import FileStore
from tests.integration.test_file_store import HELD, IDS, LARGE, OLD, saved_and_closed
from tests.stored import listed, part

pytestmark = pytest.mark.integration


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, where mounting one is allowed."""
    where = tmp_path / "disk"
    where.mkdir()
    mount_again(where, "size=256k", "-t", "tmpfs")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def mount_again(where: Path, options: str, *how: str) -> None:
    """Mount the small disk, or change its options; skips the test where that is refused."""
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("there is no mount")
    command = [mount, *how, "-o", options, "tmpfs", str(where)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is refused")


async def test_a_full_disk_is_an_error_until_it_has_room(disk: Path) -> None:
    """On a full disk saving fails with `full`, all that was stays readable; with room it works."""
    store = FileStore(disk / "made" / "snapshots.sqlite")
    await store.save(OLD)
    for _ in range(2):
        with pytest.raises(StoreError) as failed:
            await store.save([part("pump-0", head=b"2"), *LARGE])
        assert failed.value.kind == "full"
        assert await store.load(IDS) == HELD
        assert sorted(await listed(store)) == IDS
    await store.close()
    (disk / "rest").write_bytes(bytes(free_on(disk)))
    store = FileStore(disk / "made" / "snapshots.sqlite")
    assert await store.load(IDS) == HELD  # where not even an empty file finds room
    mount_again(disk, "remount,size=16m")
    assert await store.save([part("pump-0", head=b"2"), *LARGE]) == set()
    assert len(await listed(store)) == len(OLD) + len(LARGE)
    await store.close()


def free_on(disk: Path) -> int:
    """Give the bytes that still find room."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


async def test_a_disk_that_is_read_only(disk: Path) -> None:
    """Where nothing may be written saving fails with `full`, with a file and without one."""
    await saved_and_closed(disk / "snapshots.sqlite")
    mount_again(disk, "remount,ro")
    stores = [FileStore(disk / "snapshots.sqlite"), FileStore(disk / "none" / "snapshots.sqlite")]
    for store in stores:
        with pytest.raises(StoreError) as failed:
            await store.save(OLD)
        assert failed.value.kind == "full"
    mount_again(disk, "remount,rw")
    for store in stores:
        assert await store.save(OLD) == set()
        assert await store.load(IDS) == HELD
        await store.close()
