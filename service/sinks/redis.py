"""The sink that appends verdicts and alerts to Redis streams and sends them to live channels."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, compress, islice, repeat
from math import isfinite
from typing import Any, Final, Literal

import msgspec
import structlog

from models.blocks import NO_SEQ, Anomaly, Float64, Phase, Refusal
from service.engine.errors import SinkError
from service.engine.ports import Alert, Contributor, Delivery, Scored
from service.keys import WRITTEN_TTL_S, Keys
from service.redis_connection import ERRORS, TIMEOUT_S, RedisLink, detail_of, kind_of

ScoresMode = Literal["each", "anomalies", "off"]
Fields = dict[str, str | int | float | bool | tuple[Contributor, ...]]

_log = structlog.get_logger("stepwatch.sinks")

ENTRIES_PER_TRANSACTION: Final = 200
"""Some milliseconds of the event loop, and some 70 kB: one that a narrow link does not carry within
the timeout would be sent again and again."""

# A script is a transaction with one reply in all instead of one an entry, and packed entries cost
# the client a fiftieth of as many commands. The mark is compared inside it, and with >=, so that
# a transaction given up for lost does nothing when it reaches the server after its repetition.
# Each writes to one stream: what can fail (memory, type of the key) fails before the first entry.
TRANSACTION: Final = """
local sequence, ttl, maxlen, channel, entries = unpack(ARGV, 1, 5)
local written = tonumber(redis.call('GET', KEYS[1]) or '0')
if written >= tonumber(sequence) then return 0 end
for _, entry in ipairs(cmsgpack.unpack(entries)) do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', maxlen, '*', unpack(entry))
end
redis.call('SET', KEYS[1], sequence, 'EX', ttl)
for at = 6, #ARGV do redis.call('PUBLISH', channel, ARGV[at]) end
return 1
"""

PHASES: Final = {phase.value: phase.name.lower() for phase in Phase}
IS_ANOMALY: Final = {Anomaly.UNKNOWN.value: None, Anomaly.NO.value: False, Anomaly.YES.value: True}
TEXT: Final[dict[type, Callable[[Any], str]]] = {
    **dict.fromkeys((str, int, float), str),  # str of a float is its repr
    bool: lambda value: str(int(value)),
    tuple: lambda value: msgspec.json.encode(value).decode(),
}


@dataclass(frozen=True, slots=True)
class _Transaction:
    """Entries for one stream, packed, and the messages that tell of them."""

    stream: str
    entries: bytes
    channel: str
    messages: list[bytes]


class RedisSink:
    """Writes each verdict and alert as a stream entry, in transactions that can be repeated.

    Every transaction leaves its number in a mark of this instance and does nothing where the mark
    has come that far, so neither a repeated delivery nor a retry by the client writes twice.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its password appears in no error.
        keys: Names of streams and channels.
        scores: Which verdicts are written and sent live; alerts always are.
        maxlen: Entries each stream is trimmed to, about.
        socket_timeout_s: Longest wait for a connection or an answer, in seconds.

    Raises:
        ValueError: If the URL cannot be read.
    """

    name: Final = "redis"

    def __init__(
        self,
        url: str,
        keys: Keys,
        *,
        scores: ScoresMode = "each",
        maxlen: int = 1_000_000,
        socket_timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._link = RedisLink(url, socket_timeout_s)
        self._keys = keys
        self._scores = scores
        self._maxlen = maxlen
        self._mark = keys.written(secrets.token_hex(8))
        self._delivery: Delivery | None = None
        self._transactions: Iterator[_Transaction] = iter(())
        self._current: _Transaction | None = None
        self._sequence = 0

    async def open(self) -> None:
        """Ask the server for an answer.

        Raises:
            SinkError: If none comes; `kind` is connection, timeout, auth, full or other.
        """
        await self._ask("PING")

    async def write_batch(self, delivery: Delivery) -> None:
        """Write what of this delivery is not yet known to be written.

        Raises:
            SinkError: If not everything is known to be written; `kind` as for `open`.
        """
        if delivery is not self._delivery:
            self._delivery = delivery
            self._transactions = self._all_transactions(delivery)
            self._take_next()
        while self._current is not None:
            await self._write(self._current)
            self._take_next()
        self._delivery = None

    async def close(self) -> None:
        """Close the connections; one that cannot be closed in order is let go of all the same."""
        try:
            await self._link.close()
        except ERRORS as error:
            _log.warning("sink not closed in order", sink=self.name, detail=str(error))

    def _take_next(self) -> None:
        # always a new number: the transaction before may have failed here and still arrive there
        self._sequence += 1
        self._current = next(self._transactions, None)

    async def _write(self, transaction: _Transaction) -> None:
        where = (self._mark, transaction.stream)
        how = (self._sequence, WRITTEN_TTL_S, self._maxlen, transaction.channel)
        what = (transaction.entries, *transaction.messages)
        await self._ask("EVAL", TRANSACTION, len(where), *where, *how, *what)

    async def _ask(self, *command: str | int | bytes) -> None:
        try:
            await self._link.command(*command)
        except ERRORS as error:
            raise SinkError(kind_of(error), detail_of(error)) from error

    def _all_transactions(self, delivery: Delivery) -> Iterator[_Transaction]:
        blocks = delivery.scored if self._scores != "off" else []
        only_anomalies = self._scores == "anomalies"
        verdicts = chain.from_iterable(_verdict_fields(block, only_anomalies) for block in blocks)
        while part := list(islice(verdicts, ENTRIES_PER_TRANSACTION)):
            live = [msgspec.json.encode(part)]
            yield _Transaction(self._keys.scores, _packed(part), self._keys.live_scores, live)
        alerts = map(_alert_fields, delivery.alerts)
        while part := list(islice(alerts, ENTRIES_PER_TRANSACTION)):
            live = [msgspec.json.encode(alert) for alert in part]
            yield _Transaction(self._keys.alerts, _packed(part), self._keys.live_alerts, live)


def _verdict_fields(scored: Scored, only_anomalies: bool) -> Iterator[Fields]:
    verdicts = scored.verdicts
    is_wanted = verdicts.refusal == Refusal.NONE
    if only_anomalies:
        is_wanted &= verdicts.is_anomaly == Anomaly.YES
    columns = {
        "stream_id": scored.stream_ids,
        "model": repeat(scored.model),
        "timestamp": (verdicts.times / 1e6).tolist(),
        "seq": [None if seq == NO_SEQ else seq for seq in verdicts.seqs.tolist()],
        "phase": map(PHASES.get, verdicts.phase.tolist()),
        "score": _known(verdicts.score),
        "threshold": _known(verdicts.threshold),
        "severity": _known(verdicts.severity),
        "is_anomaly": map(IS_ANOMALY.get, verdicts.is_anomaly.tolist()),
    }
    rows = zip(*columns.values(), strict=False)  # the model's name repeats without end
    for row in compress(rows, is_wanted.tolist()):
        yield {name: value for name, value in zip(columns, row, strict=True) if value is not None}


def _known(column: Float64) -> list[float | None]:
    return [value if isfinite(value) else None for value in column.tolist()]


def _alert_fields(alert: Alert) -> Fields:
    return {
        "event_id": alert.event_id,
        "stream_id": alert.stream_id,
        "model": alert.model,
        "status": alert.status,
        "timestamp": alert.at / 1e6,
        "since": alert.since / 1e6,
        "opened_at": alert.opened_at / 1e6,
        "severity": alert.severity,
        "peak_severity": alert.peak_severity,
        "anomalies": alert.anomalies,
        "contributors": alert.contributors,
    }


def _packed(many: list[Fields]) -> bytes:
    """Pack the flat names and values of each entry, all as text."""
    return msgspec.msgpack.encode(
        [
            [text for name in fields for text in (name, TEXT[type(fields[name])](fields[name]))]
            for fields in many
        ]
    )
