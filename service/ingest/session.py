"""The frames of one WebSocket: taken as they come, answered in kind and in order."""

import asyncio
from collections import deque
from functools import partial
from typing import Final

from service.engine.columns import Judged, Pending, Single
from service.engine.engine import Engine
from service.engine.errors import Overloaded, RequestError
from service.ingest.arrow import ArrowDecoder
from service.ingest.arrow_writing import encode_stream
from service.ingest.body import DoorLimits
from service.ingest.decode import Decoded, JSONDecoder, decoded_of
from service.ingest.encode import answer_rows, encode, refused, verdict_row
from service.ingest.errors import problem
from service.ingest.frames import FrameProtocol, Said
from service.ingest.schemas import Verdict
from service.ingest.turns import Turn, Turns

WINDOW: Final = 64
"""Frames that may wait for their answer; beyond that the socket is not read on."""
TRY_AGAIN_LATER: Final = 1013
TOO_SLOW: Final = 1008


class Session:
    """Takes frames and answers each in its turn; a problem stands in its frame's place.

    Frames are asked for in their order: behind one that waits for its streams all others wait.

    Args:
        engine: Who takes observations.
        limits: What a frame may hold, and how long answers may stay unread.
        protocol: Where answers go.
        tasks: Runs what has to wait.

    Attributes:
        ending: Code and reason, once this side has to close.
    """

    def __init__(
        self,
        engine: Engine,
        limits: DoorLimits,
        protocol: FrameProtocol,
        tasks: asyncio.TaskGroup,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._engine, self._protocol, self._tasks, self._loop = engine, protocol, tasks, loop
        rows, size = limits.max_rows, limits.max_body_bytes
        self._text = JSONDecoder(door="websocket-json", max_rows=rows)
        self._binary = ArrowDecoder(door="websocket-arrow", max_rows=rows, max_bytes=size)
        self._turns: Turns[Said] = Turns(loop, self._write)
        self._behind: deque[tuple[Turn[Said], bytes, bool]] = deque()
        self._is_asking = False
        self._is_over = False
        """Whether nothing is taken any more."""
        self._patience_s = limits.send_timeout_s
        self._patience: asyncio.TimerHandle | None = None
        self.ending: asyncio.Future[tuple[int, str]] = loop.create_future()

    def hear(self, data: bytes, *, is_binary: bool) -> None:
        """Take a frame."""
        if self._is_over:
            return
        turn = self._turns.begin()
        if len(self._turns.waiting) == WINDOW:
            self._protocol.hold(is_held=True)
        if self._is_asking:
            self._behind.append((turn, data, is_binary))
            return
        try:
            decoded = self._ask(turn, data, is_binary=is_binary)
        except Exception as error:
            self._fail(error)
            return
        if decoded is not None:
            self._is_asking = True
            self._tasks.create_task(self._asked(turn, decoded, is_binary=is_binary))

    def stall(self, *, is_stalled: bool) -> None:
        """Give up on who does not read for too long."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if is_stalled:
            self._patience = self._loop.call_later(
                self._patience_s, self._end, TOO_SLOW, "answers are not read"
            )

    def close(self) -> None:
        """Answer nothing more; what was taken is scored all the same."""
        self._is_over = True
        self._turns.close()
        self._behind.clear()
        self.stall(is_stalled=False)
        self.ending.cancel()  # unless it has been told: from here on nobody listens

    def _ask(self, turn: Turn[Said], data: bytes, *, is_binary: bool) -> Decoded | None:
        """Decode a frame and ask for one observation; gives what is to be asked for as many."""
        try:
            asked = self._binary.body(data) if is_binary else self._text.taken_frame(data)
            if not isinstance(asked, Single):
                return asked
            is_taken = self._engine.take_one(asked, partial(self._judged, turn))
        except RequestError as error:
            self._refuse(turn, error)
            return None
        return None if is_taken else decoded_of(asked)

    async def _asked(self, turn: Turn[Said], decoded: Decoded, *, is_binary: bool) -> None:
        """Ask for many observations, and for what came behind them meanwhile."""
        asking: Decoded | None = decoded
        while True:
            if asking is not None:
                try:
                    pending = await self._engine.take(asking.request)
                except RequestError as error:
                    self._refuse(turn, error)
                else:
                    # their order is settled: nobody has to wait for their verdicts
                    self._tasks.create_task(
                        self._answered(turn, pending, asking, is_binary=is_binary)
                    )
            if not self._behind:
                break
            turn, data, is_binary = self._behind.popleft()
            asking = self._ask(turn, data, is_binary=is_binary)
        self._is_asking = False

    async def _answered(
        self, turn: Turn[Said], pending: Pending, decoded: Decoded, *, is_binary: bool
    ) -> None:
        answer = await pending.answer()
        if is_binary:
            self._turns.answer(turn, Said(encode_stream(decoded.request, answer), True))
            return
        rows = answer_rows(answer)
        data = encode(rows[0] if decoded.is_single else rows)
        self._turns.answer(turn, Said(data, is_binary=False))

    def _judged(self, turn: Turn[Said], judged: Judged | Exception) -> None:
        """Answer a single observation."""
        if isinstance(judged, Exception):
            self._fail(judged)
            return
        try:
            row = verdict_row(judged)
            data = encode(row if isinstance(row, Verdict) else refused(0, row))
        except Exception as error:  # who waits for it must not wait for ever
            self._fail(error)
            return
        self._turns.answer(turn, Said(data, is_binary=False))

    def _refuse(self, turn: Turn[Said], error: RequestError) -> None:
        self._engine.counters.problems[error.slug] += 1
        if isinstance(error, Overloaded):
            turn.is_last = self._is_over = True
            self._behind.clear()
        self._turns.answer(turn, Said(encode(problem(error)), is_binary=False))

    def _write(self, answers: list[Said], is_last: bool) -> None:
        self._protocol.say(answers)
        if is_last:
            self._end(TRY_AGAIN_LATER, "too much waits; connect again in a moment")
        elif len(self._turns.waiting) < WINDOW:
            self._protocol.hold(is_held=False)

    def _end(self, code: int, reason: str) -> None:
        if not self.ending.done():
            self._is_over = True
            self.ending.set_result((code, reason))

    def _fail(self, error: BaseException) -> None:
        """Tell whoever runs this session of a bug, if somebody still does."""
        if not self.ending.done():
            self._is_over = True
            self.ending.set_exception(error)
