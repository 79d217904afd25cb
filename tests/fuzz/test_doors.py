"""Damaged frames through the doors of the running service: no 500, no hang, nothing harmed."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import httpx
import pyarrow as pa
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from tests.fakes import normal_values
from tests.fuzz.frames import Frame, frame_of
from tests.fuzz.json_frames import KNOWN, METRICS, START_S
from tests.fuzz.serving import Service, served

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SEED: Final = 20251122
HTTP_FRAMES, SOCKET_FRAMES = 3000, 3000
ANSWER_S: Final = 20.0
KEPT: Final = tuple(f"never-named/{number}" for number in range(5))
WHOLE: Final = ("malformed-json", "malformed-arrow", "empty-batch", "too-many-rows")
"""What frames are refused with whatever state the streams are in."""
MEDIA_TYPES: Final = {
    "json": "application/json",
    "text-frame": "application/json",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
}
INVALID_DATA: Final = 1007
"""The close of a WebSocket whose text is no UTF-8."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in whose log no bug may stand at the end."""
    environment = {
        "STEPWATCH_DEFAULT_MODEL": "fans",
        "STEPWATCH_START": "reference",
        "STEPWATCH_MAX_ROWS": "1000",
        "STEPWATCH_MAX_STREAMS": "60",
    }
    with served(tmp_path_factory.mktemp("service"), **environment) as found:
        yield found
        assert found.bugs() == []


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    """A client; every stream that frames name, and some that they do not, has a past."""
    with httpx.Client(base_url=service.url, timeout=ANSWER_S, trust_env=False) as client:
        for stream_id in (*KNOWN, *KEPT):
            rows = [
                {"stream_id": stream_id, "timestamp": START_S - 600 + 60 * at, "values": values}
                for at, values in enumerate(normal_values(5, len(METRICS)).tolist())
            ]
            answer = client.post("/v1/observations", json={"observations": rows})
            assert answer.status_code == httpx.codes.OK
        yield client


def views(http: httpx.Client, *streams: str) -> list[Any]:
    """Look at streams."""
    answers = [http.get(f"/v1/streams/{stream_id}") for stream_id in streams]
    return [answer.raise_for_status().json() for answer in answers]


def posted(http: httpx.Client, frame: Frame) -> str:
    """Send a frame as a body; gives what came of it."""
    path = f"/v1/streams/{frame.stream_id}/observations" if frame.stream_id else "/v1/observations"
    answer = http.post(
        path,
        content=frame.data,
        headers={"Content-Type": MEDIA_TYPES[frame.kind]},
        params={"explain": frame.explain},
    )
    if answer.status_code == httpx.codes.OK:
        assert answer.headers["content-type"] == MEDIA_TYPES[frame.kind], str(frame)
        return "taken"
    assert answer.status_code in {400, 413, 422}, f"{answer.status_code} to {frame}"
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"])


def sent(socket: ClientConnection, frame: Frame) -> str:
    """Send a frame over a WebSocket; gives what came of it."""
    is_binary = frame.kind == "arrow"
    socket.send(frame.data if is_binary else frame.data.decode("utf-8", "replace"))
    answer = socket.recv(ANSWER_S)
    if isinstance(answer, bytes):
        assert is_binary
        assert pa.ipc.open_stream(answer).read_all().num_rows
        return "answered"
    told = json.loads(answer)
    if isinstance(told, dict) and "status" in told and "type" in told:
        assert told["status"] < httpx.codes.INTERNAL_SERVER_ERROR, f"{told} to {frame}"
        return str(told["type"])
    assert not is_binary, f"text in answer to {frame}"
    return "answered"


def opened(service: Service) -> ClientConnection:
    """Connect to the WebSocket, past any proxy."""
    url = service.url.replace("http", "ws", 1) + "/v1/ingest"
    return connect(url, proxy=None, max_size=None, compression=None)


def shaken(http: httpx.Client, numbers: range, send: Callable[[Frame], str]) -> Counter[str]:
    """Send frames; those refused whole are sent again, and change no stream that time either."""
    kept, outcomes, refused = views(http, *KEPT), Counter[str](), list[Frame]()
    for number in numbers:
        frame = frame_of(SEED, number)
        outcome = send(frame)
        outcomes[outcome] += 1
        if outcome in WHOLE:
            refused.append(frame)
    print(outcomes)  # noqa: T201
    assert views(http, *KEPT) == kept
    before = views(http, *KNOWN)
    assert {send(frame) for frame in refused} == set(WHOLE) & set(outcomes)
    assert views(http, *KNOWN) == before
    return outcomes


def test_frames_over_http(http: httpx.Client) -> None:
    """Each body is answered as documented; sent again, those refused whole change no stream."""
    outcomes = shaken(http, range(HTTP_FRAMES), partial(posted, http))
    assert outcomes["taken"] > HTTP_FRAMES / 20


def test_frames_over_a_websocket(service: Service, http: httpx.Client) -> None:
    """One socket outlives all frames, each answered in its place and in kind."""
    with opened(service) as socket:
        numbers = range(HTTP_FRAMES, HTTP_FRAMES + SOCKET_FRAMES)
        outcomes = shaken(http, numbers, partial(sent, socket))
    assert outcomes["answered"] > SOCKET_FRAMES / 20


def test_text_that_is_no_utf_8_closes_its_socket_alone(
    service: Service, http: httpx.Client
) -> None:
    """Such a frame is no text: the socket closes with 1007, and no stream is touched."""
    before = views(http, *KNOWN, *KEPT)
    codes: Counter[int] = Counter()
    for data in (b"\xff", b'{"values": [1, 2, 3]}\x80', b'["\xed\xa0\x80"]', b"\xf0\x9f"):
        with opened(service) as socket:
            socket.send(data, text=True)
            with pytest.raises(ConnectionClosedError) as closed:
                socket.recv(ANSWER_S)
        assert closed.value.rcvd is not None
        codes[closed.value.rcvd.code] += 1
    assert codes == {INVALID_DATA: 4}
    assert views(http, *KNOWN, *KEPT) == before
    assert http.get("/readyz").status_code == httpx.codes.OK
