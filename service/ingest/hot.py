"""Answers plain posts of observations where they are read: a fast path past ASGI.

An ASGI application costs a request a task, a scope, two messages in and two out, and a walk
through middlewares and routes: several times what scoring it costs. Here the answer is written
when the verdict is there. Whatever is not plain goes the ordinary way, through uvicorn's own
protocol, which this one is; docs/adr/0007 says what of it is leaned on.
"""

import asyncio
import logging
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.engine.columns import Judged, Single
from service.engine.engine import Engine
from service.engine.errors import RequestError, RowError
from service.ingest.body import DoorLimits, decoders_of
from service.ingest.decode import Decoded, decoded_of
from service.ingest.encode import encode, verdict_row
from service.ingest.errors import bug, gone, refusal
from service.ingest.hot_head import Post, known_heads_of, plain_post
from service.ingest.ordered import OrderedProtocol
from service.ingest.reply import one_refused, reply
from service.ingest.turns import Turn

WINDOW: Final = 64
"""Requests of a connection that may wait for their answers; beyond that it is not read on."""
_END: Final = b"\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"


def _written(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class HotProtocol(OrderedProtocol):
    """Uvicorn's HTTP protocol with a shorter way for plain posts of observations.

    While a request goes the ordinary way, or a batch waits for its streams, those that come
    behind it on the same connection go the ordinary way too: one after another, as uvicorn does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        app = self.config.app
        if not isinstance(app, FastAPI):
            raise TypeError("this is a bug: the protocol looks for the engine in the app's state")
        self._engine: Engine = app.state.engine
        self._limits: DoorLimits = app.state.limits
        self._decoders = decoders_of(self._limits)
        self._heads = known_heads_of(self._limits)
        self._head = b""
        """The head that the parser reads next, if all of it is there."""
        self._is_between = True
        """Whether the parser waits for a request to begin."""
        self._post: Post | None = None
        self._body: list[bytes] = []
        self._asking: asyncio.Task[None] | None = None
        self._usual: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")
        # uvicorn writes the line of a request, and knows how
        is_logged = self.access_log and self.access_logger.isEnabledFor(logging.INFO)
        self._is_off = is_logged or bool(self.root_path) or self.limit_concurrency is not None

    def data_received(self, data: bytes) -> None:
        """Take whole requests whose heads are known; what else comes goes through the parser."""
        begin = 0
        while self._is_between and (end := data.find(_END, begin)) >= 0:
            end += len(_END)
            head = data[begin:end]
            known = self._heads.get(head)
            if known is None or len(data) < end + known[0].size or not self._is_free:
                self._head = head
                break
            post, is_keeping = known
            begin = end + post.size
            self._unset_keepalive_if_required()
            self._take(post, data[end:begin], is_keeping=is_keeping)
        if begin < len(data):
            super().data_received(data[begin:] if begin else data)
        self._head = b""

    # what the parser tells

    def on_message_begin(self) -> None:
        """Make no scope yet: most requests need none."""
        self._is_between = False
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Choose the way."""
        head, self._head = self._head, b""
        self._post = self._plain_post()
        if self._post is not None:
            self._is_reading = True
            self._is_keeping = self.parser.should_keep_alive()
            self._heads.learn(head, self._post, is_keeping=self._is_keeping)
            return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers  # the scope has this very list
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of a body; all of it is within the limit, as its length was declared."""
        if self._post is None:
            super().on_body(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Take a request that is whole."""
        # behind an upgrade that nobody takes only the parser knows what comes
        self._is_between = not self.parser.should_upgrade()
        post, self._post = self._post, None
        if post is None:
            super().on_message_complete()
            return
        self._is_reading = False
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._take(post, data, is_keeping=self._is_keeping)

    # what is asked and answered

    @property
    def _is_free(self) -> bool:
        """Whether a request that comes now may be answered here."""
        cycle, waiting = self.cycle, self._turns.waiting
        return not (
            self._is_off
            or self._asking is not None
            or (cycle is not None and not cycle.response_complete)
            or self.flow.write_paused  # the application waits until it is read
            or (waiting and waiting[-1].is_last)
            or self._then
            or self.transport.is_closing()
        )

    def _plain_post(self) -> Post | None:
        if not self._is_free or self.parser.get_method() != b"POST":
            return None
        if self.parser.get_http_version() != "1.1":
            return None
        return plain_post(self.url, self.headers, self._limits)

    def _take(self, post: Post, data: bytes, *, is_keeping: bool) -> None:
        turn = self._turns.begin(is_last=not is_keeping)
        if len(self._turns.waiting) >= WINDOW:
            self.flow.pause_reading()
        try:
            self._ask(turn, post, data)
        except RequestError as error:
            self._answer(turn, refusal(self._engine, error))
        except Exception as error:
            self._fail(turn, post, error)

    def _ask(self, turn: Turn[bytes], post: Post, data: bytes) -> None:
        asked = self._decoders[post.media_type].taken(data, post.stream_id)
        if isinstance(asked, Single):
            if self._engine.take_one(asked, partial(self._judged, turn, post)):
                return
            asked = decoded_of(asked)
        self._asking = self.loop.create_task(self._asked(turn, post, asked))
        self._asking.add_done_callback(self.tasks.discard)
        self.tasks.add(self._asking)

    async def _asked(self, turn: Turn[bytes], post: Post, decoded: Decoded) -> None:
        """Ask for what may have to wait; other requests of this connection wait too."""
        try:
            found = await reply(self._engine, decoded, post.media_type)
        except RequestError as error:
            found = refusal(self._engine, error)
        except Exception as error:
            self._asking = None
            self._fail(turn, post, error)
            return
        self._asking = None
        self._answer(turn, found)

    def _judged(self, turn: Turn[bytes], post: Post, judged: Judged | Exception) -> None:
        """Answer a single observation."""
        if isinstance(judged, Exception):
            self._fail(turn, post, judged)
            return
        try:
            row = verdict_row(judged)
            if isinstance(row, RowError):
                self._answer(turn, one_refused(row))
                return
            body = encode(row)
        except Exception as error:  # nobody behind it may wait for an answer that does not come
            self._fail(turn, post, error)
            return
        head = b"content-length: %d\r\ncontent-type: application/json\r\n" % len(body)
        self._send(turn, 200, head, body)

    def _fail(self, turn: Turn[bytes], post: Post, error: BaseException) -> None:
        turn.is_last = True  # as uvicorn does after an exception
        self._answer(turn, bug(post.path, error), is_told=False)

    def _answer(self, turn: Turn[bytes], found: Response, *, is_told: bool = True) -> None:
        head = _written(found.raw_headers)
        self._send(turn, found.status_code, head, bytes(found.body), is_told=is_told)

    def _send(
        self, turn: Turn[bytes], status: int, head: bytes, body: bytes, *, is_told: bool = True
    ) -> None:
        usual, written = self._usual
        if usual is not self.server_state.default_headers:  # uvicorn makes new ones every second
            usual = self.server_state.default_headers
            written = _written(usual)
            self._usual = usual, written
        ending = _CLOSE if turn.is_last and is_told else b""
        parts = (STATUS_LINE[status], written, head, ending, b"\r\n", body)
        self._turns.answer(turn, b"".join(parts))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note who left before a body was whole."""
        super().connection_lost(exc)
        if self._post is not None:
            gone(self._post.path, "connection lost")
        # part of a body would stay until the next garbage collection
        self._post, self._body, self._head = None, [], b""
