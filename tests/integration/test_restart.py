"""A service that is stopped and started again judges as if it had never been away."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from benchmarks.ways import Verdicts
from models.epochs import FitOptions
from models.fit import fit
from models.recording import default_names
from models.spec import ScorerSpec
from service.settings import Settings
from tests.integration.processes import ended
from tests.integration.restarts import (
    FROM_NOTHING,
    FROM_TRAINING,
    IDS,
    IN_WASHOUT,
    Course,
    check_same,
    in_an_alert,
    in_quiet,
    is_open,
    outcomes_of,
    ready_process,
    until_saved,
    view_of,
)
from tests.integration.running import running_service
from tests.integration.servers import redis_server
from tests.integration.test_doors_agree import DATA, SIMULATED, recorded, simulated

pytestmark = pytest.mark.integration

RECORDINGS = {SIMULATED: 0.1, "asd-1.npz": 300.0}
JUDGED: dict[str, Any] = {"z": 3.0, "alert_open_after": 2, "default_model": "real"}
"""So that a short piece has anomalies and alerts."""
FAULT = slice(300, 315)
"""Rows of the simulated recording."""
STORES = ("embedded", "redis-server", "file")


@dataclass(frozen=True)
class Trained:
    """A recording, and the directory that holds a model of it."""

    directory: Path
    course: Course

    def settings(self, data_dir: Path, **changes: Any) -> Settings:
        """Serve the model, on a free port."""
        self.put_models(data_dir)
        given = {"redis_url": None, **JUDGED, **changes}
        return Settings(data_dir=data_dir, port=0, **given)

    def put_models(self, data_dir: Path) -> None:
        """Copy the model to where a service looks for it."""
        shutil.copytree(self.directory / "models", data_dir / "models", dirs_exist_ok=True)


@pytest.fixture(scope="module", params=RECORDINGS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A simulated and a real recording, in turn."""
    directory, name = tmp_path_factory.mktemp("trained"), request.param
    if name == SIMULATED:
        simulated(directory / name)
    train, test = recorded((directory if name == SIMULATED else DATA) / name)
    if name == SIMULATED:  # a fault, or all would be quiet
        test[FAULT] += np.ptp(train, axis=0)
    options = FitOptions(epochs=2, scorer=ScorerSpec(name="gru", sizes={"hidden": 32}))
    names, step_s = default_names(train.shape[1]), RECORDINGS[name]
    fit(train, names, options, step_s=step_s).save(directory / "models" / "real")
    return Trained(directory, Course(test, names, step_s))


@contextmanager
def stored_in(kind: str) -> Iterator[dict[str, Any]]:
    """Lend a place for snapshots; gives the settings that say so."""
    if kind == "redis-server":
        with redis_server() as server:
            yield {"redis_url": server.start()}
    else:
        yield {"store": "file" if kind == "file" else "redis"}


async def uninterrupted(trained: Trained, data_dir: Path) -> dict[str, Verdicts]:
    """Send everything to a service that stays and keeps nothing."""
    async with running_service(trained.settings(data_dir, store="off")) as service:
        await trained.course.begin(service.http)
        return await trained.course.send(service.http, 0, len(trained.course))


def stops_of(expected: dict[str, Verdicts]) -> list[int]:
    """Choose where to stop: in the washout of one stream, in an alert, in a quiet place."""
    verdicts = expected[FROM_TRAINING]
    return sorted({IN_WASHOUT, in_an_alert(verdicts), in_quiet(verdicts)})


async def check_back(client: httpx.AsyncClient, expected: dict[str, Verdicts], at: int) -> None:
    """Make sure that streams and alerts are as they were when `at` rows were sent."""
    assert await outcomes_of(client) == {"restored": len(IDS)}
    for stream_id in IDS:
        last, view = expected[stream_id][at - 1], await view_of(client, stream_id)
        assert view["observations"] == at
        assert view["phase"] == last["phase"]
        assert view["last_timestamp"] == pytest.approx(last["timestamp"], abs=1e-6)
    wanted = {row["alert"]["event_id"] for one in IDS if is_open(row := expected[one][at - 1])}
    alerts = (await client.get("/v1/alerts")).json()["alerts"]
    assert {alert["event_id"] for alert in alerts} == wanted


def check_all(expected: dict[str, Verdicts], found: dict[str, Verdicts], stop: int) -> None:
    """Make sure that nothing differs, and that the alert at `stop` goes on and resolves."""
    for stream_id in IDS:
        check_same(expected[stream_id], found[stream_id])
    assert {row["phase"] for row in found[FROM_TRAINING]} == {"live"}
    assert {row["phase"] for row in found[FROM_NOTHING]} == {"washout", "live"}
    before, *after = found[FROM_TRAINING][stop - 1 :]
    mark = {"event_id": before["alert"]["event_id"], "status": "resolved"}
    assert mark in [row["alert"] for row in after]


@pytest.mark.parametrize("store", STORES)
async def test_a_restart_changes_no_verdict(tmp_path: Path, trained: Trained, store: str) -> None:
    """Stopped in a washout, a quiet time and an open alert, every stream goes on as it was."""
    expected = await uninterrupted(trained, tmp_path)
    stops = stops_of(expected)
    found: dict[str, Verdicts] = {stream_id: [] for stream_id in IDS}
    with stored_in(store) as place:
        settings = trained.settings(tmp_path, **place)
        for begin, end in zip([0, *stops], [*stops, len(trained.course)], strict=True):
            async with running_service(settings) as service:
                if begin == 0:
                    await trained.course.begin(service.http)
                else:
                    await check_back(service.http, expected, begin)
                for stream_id, part in (
                    await trained.course.send(service.http, begin, end)
                ).items():
                    found[stream_id] += part
    check_all(expected, found, in_an_alert(expected[FROM_TRAINING]))


async def test_a_process_that_is_stopped_and_started(tmp_path: Path, trained: Trained) -> None:
    """On SIGTERM in an open alert the process saves, ends with 0, and its successor goes on."""
    expected = await uninterrupted(trained, tmp_path)
    course, stop = trained.course, in_an_alert(expected[FROM_TRAINING])
    async with ready_process(tmp_path, **JUDGED) as service:
        await course.begin(service.http)
        found = await course.send(service.http, 0, stop)
        service.process.send_signal(signal.SIGTERM)
        last = await ended(service.process)
    assert last.status == 0
    assert "Traceback" not in last.err
    async with ready_process(tmp_path, **JUDGED) as service:
        await check_back(service.http, expected, stop)
        for stream_id, part in (await course.send(service.http, stop, len(course))).items():
            found[stream_id] += part
    check_all(expected, found, stop)


async def test_a_process_that_is_killed(tmp_path: Path, trained: Trained) -> None:
    """After kill -9 nothing is corrupt; what was not yet saved can be sent again, or be missed."""
    expected = await uninterrupted(trained, tmp_path)
    course, saved = trained.course, in_quiet(expected[FROM_TRAINING])
    killed = saved + 5
    async with ready_process(tmp_path, **JUDGED, snapshot_every_s=0.1) as service:
        await course.begin(service.http)
        await course.send(service.http, 0, saved)
        await until_saved(service.http)
        await course.send(service.http, saved, killed)
        service.process.kill()
        await ended(service.process)
    async with ready_process(tmp_path, **JUDGED) as service:
        assert await outcomes_of(service.http) == {"restored": len(IDS)}
        known = [(await view_of(service.http, one))["observations"] for one in IDS]
        assert all(saved <= one <= killed for one in known)
        again = await course.send(service.http, known[0], len(course), [FROM_TRAINING])
        missed = await course.send(service.http, killed, len(course), [FROM_NOTHING])
    check_same(expected[FROM_TRAINING][known[0] :], again[FROM_TRAINING])
    check_soon_as_before(expected[FROM_NOTHING][killed:], missed[FROM_NOTHING])


def check_soon_as_before(expected: Verdicts, found: Verdicts) -> None:
    """Make sure that a stream that missed something is live, and after a while scored the same."""
    assert [row["phase"] for row in found] == ["live"] * len(expected)
    wanted, scores = ([row["score"] for row in rows[100:]] for rows in (expected, found))
    assert scores == pytest.approx(wanted, rel=1e-2)
