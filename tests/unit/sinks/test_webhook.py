"""The webhook sink: what is posted, and what becomes of failures."""

from dataclasses import replace
from itertools import product

import msgspec

from service.engine.ports import AlertStatus, Delivery
from service.ingest.encode import alert_view
from service.sinks.webhook import GIVE_UP_S, WebhookSink, webhook_id
from tests.deliveries import MINUTE, TIME, alert, scored
from tests.fakes import ARRIVAL, FakeClock
from tests.receivers import Receiver, Told, free_url
from tests.unit.sinks.webhook_turns import (
    KEY,
    PUBLIC_URL,
    SECRET,
    expected_signature,
    failure,
    turns,
)


def test_what_it_is(webhook: WebhookSink) -> None:
    """It takes no verdicts and is told of nothing twice."""
    assert (webhook.name, webhook.takes_verdicts, webhook.refresh_s) == ("webhook", False, None)


async def test_each_transition_is_a_post(
    webhook: WebhookSink, receiver: Receiver, clock: FakeClock
) -> None:
    """In order, each with its type, the time of the observation, a link and the alert."""
    every = turns("opened", "updated", "resolved")
    await webhook.open()
    await webhook.write_batch(Delivery([scored(["a"])], every))
    assert [one.path for one in receiver.received] == ["/hook"] * 3
    for one, body in zip(every, receiver.bodies, strict=True):
        assert body == {
            "type": f"alert.{one.status}",
            "timestamp": f"2025-11-21T22:0{(one.at - TIME) // MINUTE}:00.123456Z",
            "url": "http://watch.example/v1/streams/plant-a/pump-1",
            "data": msgspec.to_builtins(alert_view(one)),
        }
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 3
    times = {one.headers["webhook-timestamp"] for one in receiver.received}
    assert times == {str(ARRIVAL // 1_000_000)}


async def test_a_retry_sends_only_what_was_not_taken(
    webhook: WebhookSink, receiver: Receiver, clock: FakeClock
) -> None:
    """It goes on where it failed: the same id and body, another time and signature."""
    delivery = Delivery(alerts=turns("opened", "updated", "resolved"))
    receiver.answers.extend([Told(), Told(502)])
    failed = await failure(webhook, delivery)
    assert (failed.kind, failed.is_final) == ("server", False)
    clock.advance(2)
    await webhook.write_batch(delivery)
    types = [body["type"] for body in receiver.bodies]
    assert types == ["alert.opened", "alert.updated", "alert.updated", "alert.resolved"]
    first, again = receiver.received[1:3]
    assert first.body == again.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert int(again.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 2
    assert again.headers["webhook-signature"] == expected_signature(again, KEY)


async def test_an_equal_delivery_is_another(webhook: WebhookSink, receiver: Receiver) -> None:
    """A repetition is told by identity: what merely looks the same is sent."""
    for _ in range(2):
        await webhook.write_batch(Delivery(alerts=turns("opened")))
    assert len(receiver.received) == 2


async def test_what_is_refused_does_not_stop_the_rest(
    webhook: WebhookSink, receiver: Receiver
) -> None:
    """The others are sent, over several attempts; in the end it is said how many were lost."""
    delivery = Delivery(alerts=turns("opened", "updated", "resolved"))
    receiver.answers.extend([Told(410, "gone"), Told(500)])
    assert not (await failure(webhook, delivery)).is_final
    failed = await failure(webhook, delivery)
    assert (failed.kind, failed.is_final, failed.lost) == ("refused", True, 1)
    assert "410: gone" in str(failed)
    types = [body["type"] for body in receiver.bodies]
    assert types == ["alert.opened", "alert.updated", "alert.updated", "alert.resolved"]


async def test_it_is_given_up_after_an_hour(
    webhook: WebhookSink, receiver: Receiver, clock: FakeClock
) -> None:
    """Counted from its first failure; those behind it are tried then, each for its own hour."""
    delivery = Delivery(alerts=turns("opened", "updated", "updated", "resolved"))
    receiver.answers.extend([Told(), *[Told(500)] * 6])
    assert not (await failure(webhook, delivery)).is_final
    clock.advance(GIVE_UP_S - 1)
    assert not (await failure(webhook, delivery)).is_final
    clock.advance(1)
    assert not (await failure(webhook, delivery)).is_final  # the first of the updates is lost
    clock.advance(GIVE_UP_S - 1)
    assert not (await failure(webhook, delivery)).is_final
    clock.advance(1)
    failed = await failure(webhook, delivery)  # and the second; the end of the alert is taken
    assert (failed.kind, failed.is_final, failed.lost) == ("server", True, 2)
    assert receiver.bodies[-1]["type"] == "alert.resolved"
    assert "given up after 60 minutes" in str(failed)
    receiver.answers.append(Told(500))
    assert not (await failure(webhook, Delivery(alerts=turns("opened")))).is_final


async def test_a_refusal_after_an_hour_is_told_as_one(
    webhook: WebhookSink, receiver: Receiver, clock: FakeClock
) -> None:
    """What the receiver says in the end counts, however long it took, and the rest is sent."""
    delivery = Delivery(alerts=turns("opened", "resolved"))
    receiver.answers.extend([Told(500), Told(410)])
    await failure(webhook, delivery)
    clock.advance(GIVE_UP_S)
    failed = await failure(webhook, delivery)
    assert (failed.kind, failed.is_final, failed.lost) == ("refused", True, 1)
    assert "given up" not in str(failed)
    assert len(receiver.received) == 3


async def test_waiting_counts_towards_the_hour(
    webhook: WebhookSink, receiver: Receiver, clock: FakeClock
) -> None:
    """A receiver that asks for patience gets it, but not for more than the hour."""
    delivery = Delivery(alerts=turns("opened"))
    receiver.answers.append(Told(429, headers={"Retry-After": "120"}))
    await failure(webhook, delivery)
    clock.advance(60)
    assert (await failure(webhook, delivery)).kind == "busy"
    assert len(receiver.received) == 1
    clock.advance(60)
    await webhook.write_batch(delivery)
    assert len(receiver.received) == 2


async def test_a_receiver_that_hangs_gets_it_again(receiver: Receiver, clock: FakeClock) -> None:
    """A late answer is none; the repetition has the same id, so that it can be told from news."""
    receiver.answers.append(Told(hangs=True))
    sink = WebhookSink(
        receiver.url, secret=SECRET, public_url=PUBLIC_URL, clock=clock, timeout_s=0.05
    )
    delivery = Delivery(alerts=turns("opened"))
    assert (await failure(sink, delivery)).kind == "timeout"
    await sink.write_batch(delivery)
    await sink.close()
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert len(receiver.received) == 2


async def test_nobody_there(clock: FakeClock) -> None:
    """Opening asks nobody; writing fails, to be tried again; nothing secret is told."""
    url = (await free_url()).replace("//", "//me:hidden@") + "/hidden-too?hidden=1"
    sink = WebhookSink(url, secret=SECRET, public_url=PUBLIC_URL, clock=clock)
    await sink.open()
    await sink.write_batch(Delivery([scored(["a"])], open_alerts=turns("opened")))
    failed = await failure(sink, Delivery(alerts=turns("opened")))
    assert (failed.kind, failed.is_final) == ("connection", False)
    assert not any(word in str(failed) for word in ("hidden", SECRET, "me:"))
    await sink.close()


def test_ids_are_stable_and_apart() -> None:
    """Two transitions of any stream, event, status or time have two ids, without full stops."""
    statuses: tuple[AlertStatus, ...] = ("opened", "updated", "resolved")
    every = [
        replace(alert(number), status=status, at=at)
        for number, status, at in product(range(3), statuses, (-5, 0, 5, TIME))
    ]
    ids = list(map(webhook_id, every))
    assert len(set(ids)) == len(every)
    assert ids == [webhook_id(replace(one)) for one in every]
    assert not any("." in one for one in ids)
