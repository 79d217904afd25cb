"""Posting: how long who asks for it is left alone."""

import time
from collections.abc import Iterator

import pytest

from service.sinks.http_post import LONGEST_WAIT_S, retry_after_s
from tests.fakes import FakeClock
from tests.receivers import Receiver, Told
from tests.unit.sinks.http_posts import Lend, failure


@pytest.fixture
def _in_tokyo() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("status", [429, 503])
async def test_who_asks_to_wait_is_left_alone(
    receiver: Receiver, lent: Lend, clock: FakeClock, status: int
) -> None:
    """Nothing is sent before `Retry-After` is over; each attempt until then fails as busy."""
    receiver.answers.append(Told(status, headers={"Retry-After": "30"}))
    post = lent(receiver.url)
    await failure(post)
    clock.advance(29)
    failed = await failure(post)
    assert (failed.kind, failed.is_final) == ("busy", False)
    assert "1 s more" in str(failed)
    assert len(receiver.received) == 1
    clock.advance(1)
    await post.send(b"{}")
    assert len(receiver.received) == 2


async def test_without_a_wish_there_is_no_waiting(receiver: Receiver, lent: Lend) -> None:
    """429 without `Retry-After` is left to the outlet's pauses."""
    receiver.answers.append(Told(429))
    post = lent(receiver.url)
    await failure(post)
    await post.send(b"{}")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        (" 7 ", 7),
        ("99999999", LONGEST_WAIT_S),
        ("9" * 400, LONGEST_WAIT_S),
        ("-5", 0),
        ("soon", 0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 22:13:50 -0000", 30),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0),
        ("Tue, 14 Nov 2033 22:13:00 GMT", LONGEST_WAIT_S),
    ],
)
@pytest.mark.usefixtures("_in_tokyo")
def test_how_long_to_wait(header: str | None, seconds: float) -> None:
    """Seconds and dates are read, bounded on both sides; anything else means now."""
    assert retry_after_s(header, 1_700_000_000.0) == seconds
