"""The Alertmanager sink: what is told when, and what is told again."""

from dataclasses import replace
from itertools import chain

import pytest

from service.engine.errors import SinkError
from service.engine.ports import Delivery
from service.sinks.alertmanager import ALERTS_PER_POST, AlertmanagerSink, api_of
from tests.deliveries import scored
from tests.fakes import FakeClock
from tests.receivers import Receiver, Told, free_url
from tests.unit.sinks.alertmanager_turns import RESEND_S, failure, sink_at, told, turn


def test_what_it_is(alertmanager: AlertmanagerSink) -> None:
    """It takes no verdicts, and wants to be told again every resend."""
    assert (alertmanager.name, alertmanager.takes_verdicts, alertmanager.refresh_s) == (
        "alertmanager",
        False,
        RESEND_S,
    )


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("http://h:9093", "http://h:9093/api/v2/alerts"),
        ("http://h:9093/", "http://h:9093/api/v2/alerts"),
        ("https://u:p@h/am/", "https://u:p@h/am/api/v2/alerts"),
        ("http://h/am?key=1", "http://h/am/api/v2/alerts?key=1"),
    ],
)
def test_where_alerts_go(url: str, api: str) -> None:
    """The address of the API is found from the base, however it ends."""
    assert api_of(url) == api


@pytest.mark.parametrize("public_url", ["", "watch.example", "ftp://watch.example", "http://"])
def test_a_link_needs_an_address(public_url: str) -> None:
    """Alertmanager refuses alerts with a link that is none, so it is said at the start."""
    with pytest.raises(ValueError, match="public URL"):
        AlertmanagerSink("http://h", resend_s=1, public_url=public_url)


async def test_opening_asks_with_no_alert(
    alertmanager: AlertmanagerSink, receiver: Receiver
) -> None:
    """An empty list shows that alerts would be taken; an empty delivery is no news."""
    await alertmanager.open()
    await alertmanager.write_batch(Delivery())
    await alertmanager.write_batch(Delivery([scored(["a"])]))
    assert [(one.path, one.body) for one in receiver.received] == [("/api/v2/alerts", b"[]")]


async def test_a_wrong_address_gives_nothing_up(
    alertmanager: AlertmanagerSink, receiver: Receiver
) -> None:
    """Where opening is refused alerts wait: it may be mended, and is tried again."""
    receiver.answers.append(Told(404, "not found"))
    with pytest.raises(SinkError, match="404: not found") as failed:
        await alertmanager.open()
    assert (failed.value.kind, failed.value.is_final) == ("refused", False)


async def test_an_alert_opens_and_resolves(
    alertmanager: AlertmanagerSink, receiver: Receiver, clock: FakeClock
) -> None:
    """Open: over by itself after four resends. Resolved: over a second ago, by the wall clock."""
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "opened")]))
    clock.advance(10)
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "updated")]))
    clock.advance(10)
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "resolved")]))
    name = "plant-a/pump-1"
    assert told(receiver) == [[(name, 120)], [(name, 130)], [(name, 19)]]
    first = receiver.bodies[0][0]
    assert first["startsAt"] == "1970-01-01T00:00:00Z"
    assert first["generatorURL"] == "http://watch.example/base/v1/streams/plant-a/pump-1"


async def test_a_short_alert_is_seen(alertmanager: AlertmanagerSink, receiver: Receiver) -> None:
    """What opened and resolved in one delivery is told as both, one after the other."""
    turns = [turn(1, "opened"), turn(2, "opened"), turn(1, "updated"), turn(1, "resolved")]
    await alertmanager.write_batch(Delivery(alerts=turns))
    assert told(receiver) == [
        [("plant-a/pump-1", 120), ("plant-a/pump-2", 120)],
        [("plant-a/pump-1", -1)],
    ]


async def test_an_alert_that_opened_again_is_open(
    alertmanager: AlertmanagerSink, receiver: Receiver
) -> None:
    """The last word counts, and no post names an alert twice."""
    turns = [turn(1, "resolved"), turn(1, "opened", event=2), turn(1, "updated", event=2)]
    await alertmanager.write_batch(Delivery(alerts=turns))
    assert told(receiver) == [[("plant-a/pump-1", 120)]]
    assert receiver.bodies[0][0]["annotations"]["event_id"] == f"{2:016x}"


async def test_streams_of_two_models_are_two(
    alertmanager: AlertmanagerSink, receiver: Receiver
) -> None:
    """A stream that changed its model ends its alert under the old name, beside the new one's."""
    other = replace(turn(1, "opened"), model="fans")
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "resolved"), other]))
    found = [[one["labels"]["model"] for one in body] for body in receiver.bodies]
    assert found == [["fans"], ["pumps"]]


async def test_what_was_taken_is_not_sent_again(
    alertmanager: AlertmanagerSink, receiver: Receiver, clock: FakeClock
) -> None:
    """Many alerts go in many posts; a repetition goes on where it failed, with a later end."""
    delivery = Delivery(alerts=[turn(number, "opened") for number in range(250)])
    receiver.answers.extend([Told(), Told(500)])
    assert (await failure(alertmanager, delivery)).kind == "server"
    clock.advance(60)
    await alertmanager.write_batch(delivery)
    posts = told(receiver)
    assert list(map(len, posts)) == [100, 100, 100, 50]
    assert posts[1] != posts[2]
    assert {end for _, end in posts[2]} == {180}
    taken = [name for name, _ in chain(posts[0], *posts[2:])]
    assert taken == [one.stream_id for one in delivery.alerts]


async def test_a_refusal_does_not_stop_the_rest(
    alertmanager: AlertmanagerSink, receiver: Receiver
) -> None:
    """The other posts go on, and in the end it is said how many alerts were lost."""
    delivery = Delivery(alerts=[turn(number, "opened") for number in range(250)])
    receiver.answers.extend([Told(400, "bad"), Told(503), Told()])
    assert not (await failure(alertmanager, delivery)).is_final
    failed = await failure(alertmanager, delivery)
    assert (failed.kind, failed.is_final, failed.lost) == ("refused", True, 100)
    assert "400: bad" in str(failed)
    assert list(map(len, receiver.bodies)) == [100, 100, 100, 50]


async def test_nobody_there(clock: FakeClock) -> None:
    """Without Alertmanager opening and writing fail, to be tried again; no password is told."""
    address = (await free_url()).removeprefix("http://")
    sink = sink_at(f"http://me:hidden@{address}/am", clock)
    with pytest.raises(SinkError) as failed:
        await sink.open()
    assert failed.value.kind == "connection"
    failed_too = await failure(sink, Delivery(alerts=[turn(1, "opened")]))
    assert (failed_too.kind, failed_too.is_final) == ("connection", False)
    assert "hidden" not in f"{failed.value} {failed_too}"
    await sink.close()


def test_a_post_is_small() -> None:
    """A reverse proxy's usual limit of a megabyte is far away."""
    assert ALERTS_PER_POST <= 200
