"""The Alertmanager sink: what is told again, and for how long."""

from collections.abc import Sequence

import pytest

from service.engine.ports import Delivery
from service.sinks.alertmanager import AlertmanagerSink
from tests.fakes import FakeClock
from tests.receivers import Receiver, Told
from tests.unit.sinks.alertmanager_turns import RESEND_S, failure, told, turn


async def test_what_is_open_is_told_again(
    alertmanager: AlertmanagerSink, receiver: Receiver, clock: FakeClock
) -> None:
    """A refresh moves the end of all open alerts, of those too that it never heard of."""
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "opened")]))
    clock.advance(30)
    await alertmanager.write_batch(Delivery(open_alerts=[turn(1, "opened"), turn(2, "opened")]))
    assert told(receiver)[1] == [("plant-a/pump-1", 150), ("plant-a/pump-2", 150)]


async def test_a_refresh_that_is_refused_loses_nothing(
    alertmanager: AlertmanagerSink, receiver: Receiver
) -> None:
    """What is told again was no news: none of it counts as lost."""
    receiver.answers.extend([Told(), Told(400)])
    delivery = Delivery(alerts=[turn(1, "opened")], open_alerts=[turn(1, "opened")])
    failed = await failure(alertmanager, delivery)
    assert (failed.is_final, failed.lost) == (True, 0)


async def test_a_refresh_of_nothing_is_a_sign_of_life(
    alertmanager: AlertmanagerSink, receiver: Receiver
) -> None:
    """With no alert at all it still shows whether Alertmanager is there."""
    receiver.answers.extend([Told(), Told(500)])
    await alertmanager.write_batch(Delivery(open_alerts=[]))
    assert (await failure(alertmanager, Delivery(open_alerts=[]))).kind == "server"
    assert receiver.bodies == [[], []]


async def test_an_end_is_told_again(
    alertmanager: AlertmanagerSink, receiver: Receiver, clock: FakeClock
) -> None:
    """With the same end, for four resends: where it lay ahead of the other clock it was in vain."""
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "opened"), turn(1, "resolved")]))
    for _ in range(5):
        clock.advance(RESEND_S)
        await alertmanager.write_batch(Delivery(open_alerts=[turn(2, "opened")]))
    names = [[name for name, _ in post] for post in told(receiver)[2:]]
    both, one = ["plant-a/pump-2", "plant-a/pump-1"], ["plant-a/pump-2"]
    assert names == [both, both, both, one, one]
    assert [post[1][1] for post in told(receiver)[2:5]] == [-1, -1, -1]


@pytest.mark.parametrize("is_news", [True, False])
async def test_an_end_is_not_told_of_what_is_open_again(
    alertmanager: AlertmanagerSink, receiver: Receiver, clock: FakeClock, is_news: bool
) -> None:
    """Once an alert has opened anew its old end is forgotten, however that was heard."""
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "resolved")]))
    opened = [turn(1, "opened", event=2)]
    clock.advance(RESEND_S)
    await alertmanager.write_batch(
        Delivery(alerts=opened) if is_news else Delivery(open_alerts=opened)
    )
    await alertmanager.write_batch(Delivery(open_alerts=[]))
    assert told(receiver)[1:] == [[("plant-a/pump-1", 150)], []]


async def test_a_later_end_replaces_an_earlier_one(
    alertmanager: AlertmanagerSink, receiver: Receiver, clock: FakeClock
) -> None:
    """An alert that ends a second time is told with the second end, and that again."""
    for _ in range(2):
        clock.advance(10)
        await alertmanager.write_batch(Delivery(alerts=[turn(1, "opened"), turn(1, "resolved")]))
    await alertmanager.write_batch(Delivery(open_alerts=[]))
    ends: Sequence[float] = [post[0][1] for post in told(receiver)]
    assert ends == [130, 9, 140, 19, 19]


async def test_an_end_is_the_latest_even_if_the_begin_was_refused(
    alertmanager: AlertmanagerSink, receiver: Receiver, clock: FakeClock
) -> None:
    """Where the post before it was lost for good a second end still takes the first one's place."""
    await alertmanager.write_batch(Delivery(alerts=[turn(1, "resolved")]))
    clock.advance(10)
    receiver.answers.append(Told(400))
    again = [turn(1, "opened", event=2), turn(1, "resolved", event=2)]
    assert (await failure(alertmanager, Delivery(alerts=again))).lost == 1
    await alertmanager.write_batch(Delivery(open_alerts=[]))
    assert [post[0][1] for post in told(receiver)] == [-1, 130, 9, 9]


async def test_of_very_many_ends_the_newest_are_told_again(
    alertmanager: AlertmanagerSink, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered of alerts that are over is bounded."""
    monkeypatch.setattr("service.sinks.alertmanager.MAX_ENDED", 2)
    ends = [turn(number, "resolved") for number in range(4)]
    await alertmanager.write_batch(Delivery(alerts=ends))
    await alertmanager.write_batch(Delivery(open_alerts=[]))
    assert [name for name, _ in told(receiver)[1]] == ["plant-a/pump-2", "plant-a/pump-3"]
