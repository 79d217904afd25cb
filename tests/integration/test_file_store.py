"""The file store when its file is damaged, somebody else's, or in use."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.engine.errors import StoreError
from service.stores.file import FileStore
from tests.stored import listed, part, whole

pytestmark = pytest.mark.integration

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
OLD = [whole(f"pump-{number}", head=b"1", ring=b"r" * 3000) for number in range(5)]
IDS = [entry.stream_id for entry in OLD]
HELD = {entry.stream_id: entry.parts for entry in OLD}
LARGE = [whole(f"large-{number}", ring=bytes(100_000)) for number in range(20)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "snapshots.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[FileStore]:
    """A store on that file."""
    made = FileStore(path)
    yield made
    await made.close()


def set_aside(path: Path, what: str) -> list[Path]:
    """Find the files that were moved aside, without their logs."""
    found = path.parent.glob(f"{path.name}.{what}-*")
    return sorted(one for one in found if not one.name.endswith(("-wal", "-shm")))


def overwrite_pages(path: Path) -> bytes:
    """Damage all but the first page, as a disk may, whatever the locks; gives what is left."""
    left = path.read_bytes()[:4096] + os.urandom(path.stat().st_size - 4096)
    with path.open("r+b") as file:
        file.write(left)
    return left


def size_of(path: Path) -> int:
    """Give the bytes of the file and its log."""
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


def hold(path: Path) -> subprocess.Popen[str]:
    """Start another process that holds the file until its input ends."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def put(path: Path, content: bytes) -> None:
    """Leave a file that everybody may read."""
    path.write_bytes(content)
    path.chmod(0o644)


async def told_of_damage(work: Awaitable[object], path: Path) -> None:
    """See a call fail that finds a file it can't use; it tells where that is now."""
    with pytest.raises(StoreError) as failed:
        await work
    assert failed.value.kind == "damaged"
    (aside,) = set_aside(path, "*")
    assert str(aside) in str(failed.value)
    assert "new file is begun" in str(failed.value)


async def saved_and_closed(path: Path) -> None:
    """Leave a file with a few streams."""
    store = FileStore(path)
    await store.save(OLD)
    await store.close()


@pytest.mark.parametrize("earlier", [b"", None], ids=["there before", "new"])
async def test_only_the_owner_may_read(store: FileStore, path: Path, earlier: bytes | None) -> None:
    """The file and its log are private, also a file that was not."""
    if earlier is not None:
        put(path, earlier)
    await store.save(OLD)
    modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.glob("snapshots*")}
    assert modes == {path.name: 0o600, f"{path.name}-wal": 0o600}


async def test_a_killed_process_loses_nothing(store: FileStore, path: Path, tmp_path: Path) -> None:
    """What was saved is in the files from then on: their copy, never closed, holds it."""
    await store.save(OLD)
    await store.save([part("pump-0", head=b"2")])
    copy = tmp_path / "copy"
    copy.mkdir()
    for one in path.parent.glob("snapshots*"):
        shutil.copy(one, copy)
    second = FileStore(copy / path.name)
    assert await second.load(IDS) == HELD | {"pump-0": {"head": b"2", "ring": b"r" * 3000}}
    await second.close()


async def test_room_of_the_deleted_is_used_again(store: FileStore, path: Path) -> None:
    """Saving and deleting the same again and again does not let the file grow."""
    sizes = []
    for _ in range(6):
        await store.save(LARGE)
        await store.delete([entry.stream_id for entry in LARGE])
        sizes.append(size_of(path))
    assert max(sizes[2:]) <= sizes[1]


@pytest.mark.parametrize("content", [b"no database at all\n" * 500, bytes(8192)])
async def test_a_file_of_something_else_is_moved_aside(
    store: FileStore, path: Path, content: bytes
) -> None:
    """What is no database is kept under a telling name, told, and a new file begun."""
    put(path, content)
    with capture_logs() as logs:
        await told_of_damage(listed(store), path)
    assert await listed(store) == []
    assert await store.save(OLD) == set()
    assert [one.read_bytes() for one in set_aside(path, "damaged")] == [content]
    assert [(line["log_level"], line["kept_as"]) for line in logs] == [
        ("error", str(set_aside(path, "damaged")[0]))
    ]


async def test_a_damaged_file_is_moved_aside(path: Path) -> None:
    """Where pages are overwritten loading fails once, and saving begins anew with the whole."""
    await saved_and_closed(path)
    damaged = overwrite_pages(path)
    store = FileStore(path)
    await told_of_damage(store.load(IDS), path)
    assert await store.load(IDS) == {}
    assert await store.save([part("pump-0", head=b"2")]) == {"pump-0"}
    assert await store.save(OLD) == set()
    assert await store.load(IDS) == HELD
    await store.close()
    (aside,) = set_aside(path, "damaged")
    assert aside.read_bytes() == damaged


async def test_damage_while_it_is_open_is_no_failure_for_ever(path: Path) -> None:
    """A save that finds damage fails, and repeated it is done on the new file."""
    await saved_and_closed(path)
    store = FileStore(path)
    overwrite_pages(path)
    await told_of_damage(store.save([*OLD, part("ghost", head=b"1")]), path)
    assert await store.save([*OLD, part("ghost", head=b"1")]) == {"ghost"}
    assert await store.load(IDS) == HELD
    await store.close()
    assert len(set_aside(path, "damaged")) == 1


@pytest.mark.parametrize("made_by", ["CREATE TABLE notes (text)", "PRAGMA user_version = 2"])
async def test_a_database_of_others_is_moved_aside(
    store: FileStore, path: Path, made_by: str
) -> None:
    """A database that is not ours, or of a format to come, is kept and not written to."""
    content = made_by_others(path, made_by)
    await told_of_damage(store.save(OLD), path)
    assert await store.save(OLD) == set()
    assert [one.read_bytes() for one in set_aside(path, "foreign")] == [content]


def made_by_others(path: Path, statement: str) -> bytes:
    """Leave a database that is not ours; gives its bytes."""
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute(statement)
        foreign.commit()
    return path.read_bytes()


async def test_a_file_another_process_holds_is_locked(store: FileStore, path: Path) -> None:
    """While another process holds the file it is `locked`; after that the same save succeeds."""
    await saved_and_closed(path)
    other = hold(path)
    for work in (store.save(OLD), store.load(IDS), store.delete(IDS), listed(store)):
        with pytest.raises(StoreError) as failed:
            await work
        assert failed.value.kind == "locked"
    other.communicate()
    assert await store.save(OLD) == set()
    assert await store.load(IDS) == HELD
    assert set_aside(path, "*") == []


async def test_two_stores_on_one_file_are_told(store: FileStore, path: Path) -> None:
    """The second on a file in use fails with `locked` until the first lets go."""
    await store.save(OLD)
    second = FileStore(path)
    with pytest.raises(StoreError) as failed:
        await second.load(IDS)
    assert failed.value.kind == "locked"
    await store.close()
    assert await second.load(IDS) == HELD
    await second.close()
