"""The sink that posts every transition of an alert to a webhook, signed.

Signed after the Standard Webhooks specification, version 1.0.0 (standardwebhooks.com), for which
there are libraries in most languages.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec
import structlog

from service.engine.clock import Clock, SystemClock
from service.engine.errors import SinkError
from service.engine.ports import Alert, Delivery
from service.sinks.alert_errand import Errand
from service.sinks.alert_links import Links
from service.sinks.alertmanager_alert import rfc3339
from service.sinks.entries import alert_entries
from service.sinks.http_post import HttpPost

_log = structlog.get_logger("stepwatch.sinks")

TIMEOUT_S: Final = 10.0
GIVE_UP_S: Final = 3600.0
"""An alert that was tried in vain for so long is given up."""
PREFIX: Final = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Sizes of a secret that the specification allows."""


class WebhookSink:
    """Posts each transition of an alert by itself, in order; one that fails is sent again.

    A receiver may get a transition twice, where its answer was lost; the header `webhook-id` is the
    same then. One refused for good is given up, and those behind it go on; while one fails
    otherwise, those behind it wait.

    Args:
        url: `http://` or `https://`; what is secret in it appears in no error.
        secret: `whsec_` and base64 of 24 to 64 bytes; two, with a space in between, while one
            takes the place of the other; None: what is sent is not signed.
        public_url: Where readers of alerts reach this service.
        clock: Wall and monotonic time.
        timeout_s: Longest wait for an answer, in seconds.

    Raises:
        ValueError: If a URL or the secret cannot be read; neither is repeated.
    """

    name: Final = "webhook"
    takes_verdicts: Final = False
    refresh_s: Final[float | None] = None

    def __init__(
        self,
        url: str,
        *,
        secret: str | None,
        public_url: str,
        clock: Clock | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._keys = [signing_key(one) for one in (secret or "").split()]
        self._clock = clock or SystemClock()
        self._links = Links(public_url)
        self._post = HttpPost(url, clock=self._clock, timeout_s=timeout_s)
        self._delivery: Delivery | None = None
        self._errand: Errand[Alert] = Errand(())
        self._left, self._began = -1, 0.0
        self._is_told = False

    async def open(self) -> None:
        """Make ready to post; nobody is asked, as a webhook has nothing but alerts to be sent."""
        self._post.open()
        if not self._keys and not self._is_told:
            self._is_told = True
            _log.warning("webhook not signed, no secret is set", url=self._post.shown)

    async def write_batch(self, delivery: Delivery) -> None:
        """Post what of this delivery's alerts is not yet known to be taken.

        Raises:
            SinkError: If not everything was taken; `kind` as of `HttpPost.send`. Final where
                alerts were refused for good, or were tried for `GIVE_UP_S` each.
        """
        if delivery is not self._delivery:
            self._delivery, self._left = delivery, -1
            self._errand = Errand((alert, 1) for alert in delivery.alerts)
        try:
            await self._errand.run(self._tell)
        except SinkError as error:
            if error.is_final or not self._is_time_over():
                raise
            detail = f"given up after {GIVE_UP_S / 60:.0f} minutes: {error}"
            self._errand.give_up(SinkError(error.kind, detail, is_final=True))
            await self.write_batch(delivery)  # those behind it have an hour of their own

    def _is_time_over(self) -> bool:
        """Tell whether the alert that comes next was tried for long enough."""
        left, now = len(self._errand.left), self._clock.monotonic()
        if left != self._left:  # it is another one than at the last failure
            self._left, self._began = left, now
        return now - self._began >= GIVE_UP_S

    async def close(self) -> None:
        """Close the connections."""
        await self._post.close()

    async def _tell(self, alert: Alert) -> None:
        body, name = body_of(alert, self._links.stream(alert.stream_id)), webhook_id(alert)
        at = self._clock.now() // 1_000_000
        headers = {"webhook-id": name, "webhook-timestamp": str(at)}
        if self._keys:
            signed = (signature(key, name, at, body) for key in self._keys)
            headers["webhook-signature"] = " ".join(signed)
        await self._post.send(body, headers)


def webhook_id(alert: Alert) -> str:
    """Name a transition, the same at each attempt; an alert that re-opens has another time."""
    return f"{alert.event_id}_{alert.status}_{alert.at}"


def body_of(alert: Alert, link: str) -> bytes:
    """Write what is posted: the alert as live channels have it, and what tells of it."""
    return msgspec.json.encode(
        {
            "type": f"alert.{alert.status}",
            "timestamp": rfc3339(alert.at),
            "url": link,
            "data": msgspec.Raw(alert_entries([alert]).messages[0]),
        }
    )


def signing_key(secret: str) -> bytes:
    """Read a secret.

    Raises:
        ValueError: If it is none; it is not repeated.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(
            f"the webhook secret is {PREFIX} and base64 of {LEAST_BYTES} to {MOST_BYTES} bytes; "
            f'make one with: echo "{PREFIX}$(openssl rand -base64 32)"'
        )
    return key


def signature(key: bytes, name: str, at: int, body: bytes) -> str:
    """Sign a webhook, symmetrically: version `v1` of the specification.

    Args:
        key: The secret's bytes.
        name: Its `webhook-id`.
        at: Its `webhook-timestamp`, epoch seconds.
        body: Exactly as it is sent.
    """
    signed = b".".join((name.encode(), str(at).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
