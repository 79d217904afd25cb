"""The sinks there are, by name, and what each needs of the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.engine.ports import Sink
from service.keys import Keys
from service.redis_connection import TIMEOUT_S
from service.sinks.alertmanager import AlertmanagerSink
from service.sinks.log import LogSink
from service.sinks.redis import RedisSink, ScoresMode
from service.sinks.webhook import WebhookSink


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPlace:
    """Where verdicts and alerts are to go; each sink takes what it needs.

    Attributes:
        redis_url: Of the Redis that takes verdicts and alerts.
        keys: Names of its keys.
        redis_scores: Which verdicts are written there, and how.
        redis_maxlen: Entries a stream is trimmed to, about.
        redis_timeout_s: Longest wait for a connection or an answer of it, in seconds.
        alertmanager_url: Of an Alertmanager; None: there is none.
        alertmanager_resend_s: Seconds after which it is told again what is open.
        webhook_url: Takes alerts by POST; None: there is none.
        webhook_secret: Signs them; None: they are not signed.
        public_url: Where people reach this service: links in alerts begin with it.
    """

    redis_url: str
    keys: Keys
    redis_scores: ScoresMode = "each"
    redis_maxlen: int = 1_000_000
    redis_timeout_s: float = TIMEOUT_S
    alertmanager_url: str | None = None
    alertmanager_resend_s: float = 60.0
    webhook_url: str | None = None
    webhook_secret: str | None = None
    public_url: str


def _redis(place: SinkPlace) -> Sink:
    return RedisSink(
        place.redis_url,
        place.keys,
        scores=place.redis_scores,
        maxlen=place.redis_maxlen,
        socket_timeout_s=place.redis_timeout_s,
    )


def _alertmanager(place: SinkPlace) -> Sink | None:
    if place.alertmanager_url is None:
        return None
    return AlertmanagerSink(
        place.alertmanager_url,
        resend_s=place.alertmanager_resend_s,
        public_url=place.public_url,
    )


def _webhook(place: SinkPlace) -> Sink | None:
    if place.webhook_url is None:
        return None
    return WebhookSink(place.webhook_url, secret=place.webhook_secret, public_url=place.public_url)


SINKS: Final[dict[str, Callable[[SinkPlace], Sink | None]]] = {
    "log": lambda _: LogSink(),
    "redis": _redis,
    "alertmanager": _alertmanager,
    "webhook": _webhook,
}
"""Each makes its sink, or None where nothing is set for it."""


def sinks_of(place: SinkPlace) -> list[Sink]:
    """Make the sinks that the settings ask for.

    Raises:
        ValueError: If an address or a secret can't be used.
    """
    made = (make(place) for make in SINKS.values())
    return [sink for sink in made if sink is not None]
