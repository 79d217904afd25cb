"""The sink that appends verdicts and alerts to Redis streams and sends them to live channels."""

import asyncio
import secrets
from collections.abc import Iterator
from itertools import islice
from typing import Final, Literal

import structlog

from service.engine.errors import SinkError
from service.engine.ports import Alert, Delivery, Scored
from service.keys import Keys
from service.redis_connection import ERRORS, TIMEOUT_S, RedisLink, detail_of, kind_of
from service.sinks.entries import alert_entries, verdict_entries
from service.sinks.packed import fitting_together, packed_entries
from service.sinks.rows import ROWS_AT_ONCE, groups, rows_of
from service.sinks.transaction import NOTHING, Transaction, narrow, wide

ScoresMode = Literal["each", "packed", "anomalies", "off"]

_log = structlog.get_logger("stepwatch.sinks")

ENTRIES_PER_TRANSACTION: Final = 200
"""Less than a millisecond of the event loop, and some 70 kB: one that a narrow link does not carry
within the timeout would be sent again and again."""


class RedisSink:
    """Writes each verdict and alert as a stream entry, in transactions that can be repeated.

    Every transaction leaves its number in a mark of this instance and does nothing where the mark
    has come that far, so neither a repeated delivery nor a retry by the client writes twice.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its password appears in no error.
        keys: Names of streams and channels.
        scores: Which verdicts are written and sent live, or that they are packed: many an entry,
            and not sent live. Alerts are written and sent always.
        maxlen: Entries each stream is trimmed to, about. Packed entries count as if all were full,
            with `ROWS_AT_ONCE` verdicts: what is kept takes no more memory for being packed.
        socket_timeout_s: Longest wait for a connection or an answer, in seconds.

    Raises:
        ValueError: If the URL cannot be read.
    """

    name: Final = "redis"
    takes_verdicts: Final = True
    refresh_s: Final = None

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
        self._transactions: Iterator[Transaction] | None = None
        self._finished = 0
        self._current: Transaction | None = None
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
            self._delivery, self._finished, self._transactions = delivery, 0, None
        if self._transactions is None:
            made = self._all_transactions(delivery)
            self._transactions = islice(made, self._finished, None)
            self._take_next()
        while self._current is not None:
            await self._write(self._current)
            self._finished += 1
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
        transactions, self._transactions, self._current = self._transactions, None, None
        # where making one fails, the next attempt makes those again that are not written
        self._current = next(transactions or iter(()), None)
        self._transactions = transactions

    async def _write(self, transaction: Transaction) -> None:
        if transaction is NOTHING:
            await asyncio.sleep(0)
        else:
            await self._ask(*transaction.command(self._mark, self._sequence))

    async def _ask(self, *command: str | int | bytes) -> None:
        try:
            await self._link.command(*command)
        except ERRORS as error:
            raise SinkError(kind_of(error), detail_of(error)) from error

    def _all_transactions(self, delivery: Delivery) -> Iterator[Transaction]:
        if self._scores == "packed":
            yield from self._of_packed(delivery.scored)
        elif self._scores != "off":
            yield from self._of_verdicts(delivery.scored)
        yield from self._of_alerts(delivery.alerts)

    def _of_verdicts(self, blocks: list[Scored]) -> Iterator[Transaction]:
        key, channel = self._keys.scores, self._keys.live_scores
        for group in groups(blocks):
            rows = rows_of(group, only_anomalies=self._scores == "anomalies")
            if not len(rows):
                yield NOTHING
            for part in rows.parts(ENTRIES_PER_TRANSACTION):
                yield narrow(key, self._maxlen, verdict_entries(part), channel)

    def _of_packed(self, blocks: list[Scored]) -> Iterator[Transaction]:
        maxlen = max(1, self._maxlen // ROWS_AT_ONCE)
        for group in groups(blocks):
            for together in fitting_together(packed_entries(group)):
                yield wide(self._keys.packed, maxlen, together)

    def _of_alerts(self, alerts: list[Alert]) -> Iterator[Transaction]:
        key, channel = self._keys.alerts, self._keys.live_alerts
        for start in range(0, len(alerts), ENTRIES_PER_TRANSACTION):
            part = alerts[start : start + ENTRIES_PER_TRANSACTION]
            yield narrow(key, self._maxlen, alert_entries(part), channel)
