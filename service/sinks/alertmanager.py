"""The sink that tells Alertmanager of alerts, again and again while they are open."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from service.engine.clock import Clock, SystemClock
from service.engine.errors import SinkError
from service.engine.ports import Alert, Delivery
from service.sinks.alert_errand import Errand
from service.sinks.alert_links import Links
from service.sinks.alertmanager_alert import SLACK_US, postable
from service.sinks.http_post import TIMEOUT_S, HttpPost

ALERTS_PER_POST: Final = 100
"""Some 100 kB, and two milliseconds of the event loop."""
RESENDS: Final = 4
"""An alert that is not told again for so many resends is over for Alertmanager."""
MAX_ENDED: Final = 10_000

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Ended:
    """An alert that is over: when, by the wall clock, and until when that is repeated."""

    alert: Alert
    ends_at: int
    until: float


class AlertmanagerSink:
    """Posts alerts to Alertmanager's API (v2), one alert a stream.

    While an alert is open its end is told as `RESENDS` x `resend_s` from now, so that it is over by
    itself if this service dies. The end that is told when it resolves is repeated for as long:
    one that lies ahead of Alertmanager's clock does not count. Of a stream that opened and resolved
    within one delivery both are told, in order; what lies before that is not.

    Args:
        url: Base address, `http://` or `https://`; what is secret in it appears in no error.
        resend_s: Seconds after which what is open is told again.
        public_url: Where readers of alerts reach this service.
        clock: Wall and monotonic time.
        timeout_s: Longest wait for an answer, in seconds.

    Attributes:
        refresh_s: `resend_s`.

    Raises:
        ValueError: If a URL cannot be read.
    """

    name: Final = "alertmanager"
    takes_verdicts: Final = False

    def __init__(
        self,
        url: str,
        *,
        resend_s: float,
        public_url: str,
        clock: Clock | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.refresh_s: Final = resend_s
        self._clock = clock or SystemClock()
        self._links = Links(public_url)
        self._post = HttpPost(api_of(url), clock=self._clock, timeout_s=timeout_s)
        self._delivery: Delivery | None = None
        self._errand: Errand[list[Alert]] = Errand(())
        self._ended: dict[_Key, _Ended] = {}

    async def open(self) -> None:
        """Post no alert: whether that is taken shows that address and password are right.

        Raises:
            SinkError: If it is not; never final, so that no alert is given up for it.
        """
        self._post.open()
        try:
            await self._post.send(b"[]")
        except SinkError as error:
            raise SinkError(error.kind, str(error)) from None

    async def write_batch(self, delivery: Delivery) -> None:
        """Post what of this delivery is not yet known to be taken.

        Raises:
            SinkError: If not everything was taken; `kind` as of `HttpPost.send`.
        """
        if delivery is not self._delivery:
            self._delivery, self._errand = delivery, Errand(self._parts(delivery))
        await self._errand.run(self._tell)
        self._delivery = None

    async def close(self) -> None:
        """Close the connections; what is open stays so for Alertmanager until its end."""
        await self._post.close()

    def _parts(self, delivery: Delivery) -> Iterator[tuple[list[Alert], int]]:
        """Make posts of a delivery: what opened, what resolved, then what is told again."""
        last = {_key(alert): alert for alert in delivery.alerts}
        opened = {_key(alert): alert for alert in delivery.alerts if alert.status != "resolved"}
        resolved = [alert for alert in last.values() if alert.status == "resolved"]
        for part in (*_posts(opened.values()), *_posts(resolved)):
            yield part, len(part)
        if delivery.open_alerts is not None:
            still = {_key(alert): alert for alert in delivery.open_alerts}
            known = still | last
            over = [one.alert for key, one in self._recent().items() if key not in known]
            # without any it is a sign of life, and shows whether Alertmanager is there
            for part in list(_posts([*still.values(), *over])) or [[]]:
                yield part, 0

    def _recent(self) -> dict[_Key, _Ended]:
        """Forget what was repeated for long enough; give the rest."""
        now = self._clock.monotonic()
        kept = [(key, one) for key, one in self._ended.items() if one.until > now]
        self._ended = dict(kept[-MAX_ENDED:])
        return self._ended

    async def _tell(self, alerts: list[Alert]) -> None:
        now = self._clock.now()
        ends = [self._ends_at(alert, now) for alert in alerts]
        await self._post.send(
            msgspec.json.encode(
                [
                    postable(one, now=now, ends_at=end, link=self._links.stream(one.stream_id))
                    for one, end in zip(alerts, ends, strict=True)
                ]
            )
        )
        self._note(alerts, ends)

    def _ends_at(self, alert: Alert, now: int) -> int:
        if alert.status != "resolved":
            return now + round(RESENDS * self.refresh_s * 1e6)
        ended = self._ended.get(_key(alert))
        return ended.ends_at if ended and ended.alert is alert else now - SLACK_US

    def _note(self, alerts: Iterable[Alert], ends: Iterable[int]) -> None:
        """Remember which alerts are over, for as long as that is to be repeated."""
        until = self._clock.monotonic() + RESENDS * self.refresh_s
        for alert, ends_at in zip(alerts, ends, strict=True):
            before = self._ended.get(_key(alert))
            if alert.status != "resolved":
                self._ended.pop(_key(alert), None)
            elif before is None or before.alert is not alert:
                self._ended[_key(alert)] = _Ended(alert, ends_at, until)


def api_of(url: str) -> str:
    """Give the address alerts are posted to, the base with or without a slash at its end."""
    base, mark, query = url.partition("?")
    return f"{base.rstrip('/')}/api/v2/alerts{mark}{query}"


def _key(alert: Alert) -> _Key:
    """Name what is one alert to Alertmanager, whatever its event."""
    return alert.model, alert.stream_id


def _posts(alerts: Iterable[Alert]) -> Iterator[list[Alert]]:
    every = list(alerts)
    for first in range(0, len(every), ALERTS_PER_POST):
        yield every[first : first + ALERTS_PER_POST]
