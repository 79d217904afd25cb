import asyncio

from service.engine.live import MAX_DELIVERIES, LiveFeed
from service.engine.ports import Delivery
from tests.engines import scored


async def test_every_listener_gets_every_delivery_in_order() -> None:
    """Deliveries are fanned out as they are."""
    feed, sent = LiveFeed(), [Delivery([scored([number])]) for number in range(3)]
    with feed.listen() as one, feed.listen() as other:
        for delivery in sent:
            await feed.write_batch(delivery)
        assert [await one.get() for _ in sent] == [(delivery, 0) for delivery in sent]
        assert [(await other.get())[0] for _ in sent] == sent


async def test_a_slow_listener_loses_the_oldest_and_is_told() -> None:
    """It is told once how many verdicts it missed; nobody waits for it."""
    feed = LiveFeed()
    with feed.listen() as slow:
        for number in range(MAX_DELIVERIES + 2):
            await feed.write_batch(Delivery([scored([number] * 5)]))
        delivery, missed = await slow.get()
        assert (delivery.scored[0].verdicts.severity[0], missed) == (2, 10)
        assert (await slow.get())[1] == 0
    assert feed.dropped == 10


async def test_who_has_left_gets_nothing() -> None:
    """The with block ends the subscription, also when it is left by an error."""
    feed = LiveFeed()
    try:
        with feed.listen() as gone:
            raise ConnectionError
    except ConnectionError:
        await feed.write_batch(Delivery([scored([1])]))
    waiting = asyncio.ensure_future(gone.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_it_never_fails_as_a_sink() -> None:
    """Opening, writing without listeners and closing twice are fine."""
    feed = LiveFeed()
    await feed.open()
    await feed.write_batch(Delivery())
    await feed.close()
    await feed.close()
    assert (feed.name, feed.dropped) == ("live", 0)
