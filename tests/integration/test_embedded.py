"""The embedded Valkey: a real one, started, stopped and killed."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from redis import exceptions

from service.embedded import EmbeddedError, EmbeddedValkey
from tests.integration.servers import client_of, embedded_valkey, process_id

pytestmark = pytest.mark.integration


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    """An embedded server, not yet started."""
    with embedded_valkey() as lent:
        yield lent


def socket_of(url: str) -> Path:
    """Find the socket a URL names."""
    return Path(unquote(url.removeprefix("unix://")))


def test_it_answers_between_start_and_stop(valkey: EmbeddedValkey) -> None:
    """It answers once start returns; stop ends it and takes its socket away, twice without harm."""
    assert not valkey.is_running
    url = valkey.start()
    with client_of(url) as client:
        assert client.ping()
    assert valkey.is_running
    valkey.stop()
    assert not valkey.is_running
    assert not socket_of(url).exists()
    valkey.stop()


def test_it_keeps_every_write_and_refuses_when_full(valkey: EmbeddedValkey) -> None:
    """It appends to a file each second, never evicts, and listens on no port."""
    with client_of(valkey.start()) as client:
        found = client.config_get("*")
    assert isinstance(found, dict)
    expected = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "port": "0",
    }
    assert {name: found[name] for name in expected} == expected


def test_only_this_user_can_reach_it(valkey: EmbeddedValkey) -> None:
    """The directory of the socket admits its owner alone."""
    directory = socket_of(valkey.start()).parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_ctrl_c_does_not_reach_it(valkey: EmbeddedValkey) -> None:
    """It leads its own session, so signals of the terminal pass it by."""
    with client_of(valkey.start()) as client:
        process = process_id(client)
    assert os.getsid(process) == process


def test_a_restart_keeps_the_data(valkey: EmbeddedValkey) -> None:
    """What was written before a stop is there after the next start."""
    with client_of(valkey.start()) as client:
        client.set("written", "before")
    valkey.stop()
    with client_of(valkey.start()) as client:
        assert client.get("written") == "before"


def test_its_death_is_seen_and_it_can_be_started_again(valkey: EmbeddedValkey) -> None:
    """When the server is killed it no longer counts as running, and stop and start mend it."""
    with client_of(valkey.start()) as client:
        client.set("written", "before")
        process = process_id(client)
        os.kill(process, signal.SIGKILL)
        with pytest.raises(exceptions.ConnectionError):
            client.blpop(["nothing"])
    assert valkey._process is not None
    valkey._process.wait(timeout=10)
    assert not valkey.is_running
    valkey.stop()
    with client_of(valkey.start()) as client:
        assert client.get("written") == "before"


def test_a_second_service_on_the_same_data_is_refused(
    valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    """The data directory serves one at a time, and the error names who has it and what to do."""
    first, second = EmbeddedValkey(tmp_path), EmbeddedValkey(tmp_path)
    url = first.start()
    try:
        with pytest.raises(EmbeddedError, match=rf"process {os.getpid()}.*stop it.*choose"):
            second.start()
        with client_of(url) as client:
            assert client.ping()
    finally:
        first.stop()
    second.start()
    second.stop()


def test_starting_twice_is_refused(valkey: EmbeddedValkey) -> None:
    """A server that runs is not started a second time, and goes on."""
    url = valkey.start()
    with pytest.raises(EmbeddedError, match="started already"):
        valkey.start()
    with client_of(url) as client:
        assert client.ping()


def test_it_starts_only_in_the_main_thread(valkey: EmbeddedValkey) -> None:
    """It would end with the thread that starts it, so any other than the main one is refused."""
    errors: list[EmbeddedError] = []

    def start() -> None:
        try:
            valkey.start()
        except EmbeddedError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(timeout=10)
    assert "main thread" in str(errors[0])
    assert not valkey.is_running


def test_a_long_data_directory_gets_a_short_private_socket(tmp_path: Path) -> None:
    """Where the path is too long for a socket, it lies in a directory of this user alone."""
    data_dir = tmp_path / ("a long name " * 10)
    valkey = EmbeddedValkey(data_dir)
    url = valkey.start()
    socket = socket_of(url)
    try:
        with client_of(url) as client:
            assert client.ping()
        assert len(os.fsencode(socket)) < 100
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert (data_dir / "valkey" / "appendonlydir").is_dir()
    finally:
        valkey.stop()
    assert not socket.exists()
    socket.parent.rmdir()


def test_a_socket_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A link in place of the private directory could lead anywhere, so it is not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "valkey").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedError, match="is a link"):
        EmbeddedValkey(tmp_path).start()


def test_data_it_cannot_read_is_reported_with_the_log(valkey: EmbeddedValkey) -> None:
    """When the server gives up at the start, the error ends with what it logged; also repeated."""
    valkey.start()
    valkey.stop()
    manifest = valkey._home / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")
    for _ in range(2):
        with pytest.raises(EmbeddedError, match=r"(?s)does not answer.*manifest"):
            valkey.start()
        assert not valkey.is_running


def test_a_data_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """A file in place of the data directory gives an error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match=r"cannot be started.*file"):
        EmbeddedValkey(tmp_path / "file").start()


def test_a_server_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop comes to an end although the server answers neither command nor signal."""
    monkeypatch.setattr("service.embedded.SIGNAL_S", 0.2)
    valkey = EmbeddedValkey(tmp_path, stop_timeout_s=0.2)
    with client_of(valkey.start()) as client:
        os.kill(process_id(client), signal.SIGSTOP)
    valkey.stop()
    assert not valkey.is_running
