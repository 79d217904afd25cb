"""The webhook sink: signatures and secrets."""

import base64
import hmac

import pytest
from structlog.testing import capture_logs

from service.engine.ports import Delivery
from service.sinks.webhook import WebhookSink, signature, signing_key
from tests.fakes import FakeClock
from tests.receivers import Receiver
from tests.unit.sinks.webhook_turns import KEY, PUBLIC_URL, SECRET, expected_signature, turns

OLD_KEY = b"o" * 24
OLD_SECRET = "whsec_" + base64.b64encode(OLD_KEY).decode()


def test_the_published_signature() -> None:
    """The example that the specification's own libraries are tested with comes out the same."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_what_is_posted_is_signed(webhook: WebhookSink, receiver: Receiver) -> None:
    """Id, time and body, as they arrive, are signed with the secret."""
    await webhook.write_batch(Delivery(alerts=turns("opened", "resolved")))
    assert len(receiver.received) == 2
    for one in receiver.received:
        assert one.headers["webhook-signature"] == expected_signature(one, KEY)
        content = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode()
        again = hmac.new(KEY, content + one.body, "sha256").digest()
        assert one.headers["webhook-signature"] == "v1," + base64.b64encode(again).decode()


async def test_two_secrets_sign_both(receiver: Receiver, clock: FakeClock) -> None:
    """While one secret takes the place of another a receiver with either can verify."""
    both = f"{SECRET} {OLD_SECRET}"
    sink = WebhookSink(receiver.url, secret=both, public_url=PUBLIC_URL, clock=clock)
    await sink.write_batch(Delivery(alerts=turns("opened")))
    await sink.close()
    one = receiver.received[0]
    expected = [expected_signature(one, KEY), expected_signature(one, OLD_KEY)]
    assert one.headers["webhook-signature"].split(" ") == expected


@pytest.mark.parametrize(
    "secret",
    [
        "plain text that is long enough for anyone",
        base64.b64encode(KEY).decode(),
        "whsec_",
        "whsec_" + base64.b64encode(b"s" * 23).decode(),
        "whsec_" + base64.b64encode(b"s" * 65).decode(),
        "whsec_" + "ä" * 32,
        "whsec_" + "*" * 32,
        "whsec_AAAA",
        f"{SECRET[:12]}*{SECRET[12:]}",
        f"{SECRET} hidden",
    ],
)
def test_a_secret_that_is_none(secret: str) -> None:
    """It is said at once what a secret looks like; what was given is not repeated."""
    with pytest.raises(ValueError, match="openssl rand") as refused:
        WebhookSink("http://h", secret=secret, public_url=PUBLIC_URL)
    assert not any(part in str(refused.value) for part in secret.split() if len(part) > 6)


@pytest.mark.parametrize("secret", [None, ""])
async def test_without_a_secret(receiver: Receiver, clock: FakeClock, secret: str | None) -> None:
    """Nothing is signed, and the log says so once, without what of the address may be secret."""
    url = receiver.url.replace("//", "//me:hidden@") + "/hidden?hidden"
    sink = WebhookSink(url, secret=secret, public_url=PUBLIC_URL, clock=clock)
    with capture_logs() as logs:
        for _ in range(2):
            await sink.open()
        await sink.write_batch(Delivery(alerts=turns("opened")))
    await sink.close()
    assert "webhook-signature" not in receiver.received[0].headers
    assert "webhook-id" in receiver.received[0].headers
    assert [log["event"] for log in logs] == ["webhook not signed, no secret is set"]
    assert "hidden" not in str(logs)


async def test_nothing_is_logged_with_a_secret(webhook: WebhookSink) -> None:
    """A secret leaves no trace in the log."""
    with capture_logs() as logs:
        await webhook.open()
        await webhook.write_batch(Delivery(alerts=turns("opened")))
    assert logs == []
