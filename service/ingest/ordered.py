"""Uvicorn's HTTP protocol with room for answers that are no ASGI application's.

Such answers stand in turns. A request for the application that comes behind them waits in
uvicorn's own pipeline. docs/adr/0007 names what of uvicorn is leaned on here.
"""

from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.ingest.turns import Turns


class OrderedProtocol(HttpToolsProtocol):
    """Keeps the order of answers on one connection, and knows when it is idle and when it ends.

    A keep-alive connection has one timer that looks, when it fires, since when it has been idle:
    uvicorn sets and cancels one for every request.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turns: Turns[bytes] = Turns(self.loop, self._write)
        self._is_reading = False
        """Whether a request that will take a turn is being read."""
        self._is_keeping = True
        """Whether the connection outlives that request."""
        self._then: list[Callable[[], None]] = []
        self._idle_since = 0.0

    @property
    def _is_asgi_busy(self) -> bool:
        """Whether the application has a request of this connection, or will have."""
        return self.cycle is not None and not self.cycle.response_complete

    def _write(self, answers: list[bytes], is_last: bool) -> None:
        self.server_state.total_requests += len(answers)
        if self.transport.is_closing():
            return
        self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))
        if is_last:
            self.transport.close()
        elif not self._turns.waiting:
            self._go_on()

    def _go_on(self) -> None:
        """Begin what waits for the turns to end, or wait for the next request."""
        if not self.flow.write_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._then:
            self._then.pop(0)()
        elif not self._is_reading:
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._set_timer(self.timeout_keep_alive)

    def _behind_turns(self, call: Callable[[], None]) -> None:
        """Do something that writes to the transport, once the turns before it are written."""
        if self._turns.waiting:
            self.flow.pause_reading()
            self._then.append(call)
        elif not self.transport.is_closing():
            call()

    # what uvicorn does at once, and here waits for its turn

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.transport.is_closing():
            return  # uvicorn, too, leaves what comes behind a last request
        if self._turns.waiting:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))
        else:
            super()._start_asgi_task(cycle, app)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol."""
        self._behind_turns(self._upgrade)

    def _upgrade(self) -> None:
        self.flow.resume_reading()
        self._stop_timer()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._behind_turns(lambda: super(OrderedProtocol, self).send_400_response(msg))

    def on_response_complete(self) -> None:
        """Go on after an answer of the application."""
        self._stop_timer()
        super().on_response_complete()
        if self.flow.write_paused and not self.transport.is_closing():
            self.flow.pause_reading()  # uvicorn reads on: its next answer would wait, ours do not
        if self.timeout_keep_alive_task is None:
            return  # the next is under way, or the connection ends
        self._idle_since = self.loop.time()
        if self._then:
            self._then.pop(0)()

    # the end of a connection

    def shutdown(self) -> None:
        """End after what is under way."""
        if self._is_asgi_busy:
            super().shutdown()
        elif self._is_reading:
            self._is_keeping = False
        elif self._turns.waiting:
            self._turns.end()
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Write nothing more; what the engine was asked it does all the same."""
        super().connection_lost(exc)
        self._turns.close()
        self._then.clear()
        self._stop_timer()

    def pause_writing(self) -> None:
        """Read nothing more from who does not read."""
        super().pause_writing()
        if not self.transport.is_closing():
            self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        super().resume_writing()
        if not self._turns.waiting and not self.pipeline and not self.transport.is_closing():
            self.flow.resume_reading()

    # keep-alive

    def _unset_keepalive_if_required(self) -> None:
        """Something came: not idle any more. The timer stays, and will find that out."""
        self._idle_since = 0.0

    def timeout_keep_alive_handler(self) -> None:
        """End the connection if it has been idle for so long."""
        self.timeout_keep_alive_task = None
        if not self._idle_since:
            return  # whoever answers sets it anew
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._set_timer(left)
        else:
            super().timeout_keep_alive_handler()

    def _set_timer(self, seconds: float) -> None:
        self.timeout_keep_alive_task: TimerHandle | None = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _stop_timer(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
