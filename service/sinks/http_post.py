"""What sinks that POST share: a session, what an answer means, and addresses without secrets."""

import base64
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final
from urllib.parse import SplitResult, unquote

import aiohttp

from service.engine.clock import Clock
from service.engine.errors import SinkError
from service.sinks.http_address import address_of

TIMEOUT_S: Final = 5.0
"""Longest wait for a connection and an answer together."""
LONGEST_WAIT_S: Final = 300.0
"""Longest `Retry-After` that is honoured."""
ANSWER_CHARS: Final = 200
_ANSWER_BYTES: Final = 4096
_KEEP_ALIVE_S: Final = 2.0
"""Shorter than what servers grant: a POST on a connection that the server just closed fails."""
_OK, _REDIRECTS, _ERRORS = 200, 300, 400
_LATE, _BUSY, _BROKEN, _AWAY = 408, 429, 500, 503
_MENDED: Final = {401, 403, 404}
"""A password that is changed, a receiver that is being put up: an alert must not be lost for it."""


class HttpPost:
    """Posts JSON to one address. No proxy of the environment is used, no redirect followed.

    Args:
        url: `http://` or `https://`; a user and password in it are sent as basic authentication.
            Neither they nor path or query, which may hold a token, appear in an error.
        clock: For how long the other side asked to be left alone.
        timeout_s: Longest wait for a connection and an answer together, in seconds.

    Attributes:
        shown: Scheme, host and port of the address, for a person.

    Raises:
        ValueError: If the URL cannot be read; it is not repeated.
    """

    def __init__(self, url: str, *, clock: Clock, timeout_s: float = TIMEOUT_S) -> None:
        given = address_of(url)
        user, at, host = given.netloc.rpartition("@")
        self.shown: Final = f"{given.scheme}://{host}"
        self._url = given._replace(netloc=host, fragment="").geturl()
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"stepwatch/{version('stepwatch')}",
        }
        self._secrets = _tokens(given)
        if at:
            name, _, password = user.partition(":")
            basic = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
            self._headers["Authorization"] = f"Basic {basic}"
            self._secrets += [basic, password, unquote(password)]
        self._clock = clock
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._not_before = -float("inf")

    def open(self) -> None:
        """Make the session, if it is not there; nothing is asked of the other side yet."""
        self._opened()

    async def send(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Post a body and wait for the answer.

        Raises:
            SinkError: If it is not 2xx. `kind` is connection, timeout, server (5xx) or busy (429,
                or the other side asked to be left alone and that is not over); or refused: any
                other status, redirects included. That is final but for 401, 403 and 404, which
                may be mended on the other side while it is tried again.
        """
        wait_s = self._not_before - self._clock.monotonic()
        if wait_s > 0:
            raise SinkError("busy", f"{self.shown} asked to be left alone for {wait_s:.0f} s more")
        try:
            async with self._opened().post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                said = await answer.content.read(_ANSWER_BYTES)
        except TimeoutError:
            problem = f"{self.shown} does not answer within {self._timeout_s:g} s"
            raise SinkError("timeout", problem) from None
        except (aiohttp.ClientError, OSError) as error:
            detail = f"{self.shown}: {self._hidden(_told(error))}"
            raise SinkError("connection", detail) from None
        self._check(answer, said.decode(errors="replace"))

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=_KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                trust_env=False,
            )
        return self._session

    def _check(self, answer: aiohttp.ClientResponse, said: str) -> None:
        """Raise what an answer means, unless it is good."""
        status = answer.status
        if _OK <= status < _REDIRECTS:
            return
        if status in {_BUSY, _AWAY}:
            now_s = self._clock.now() / 1e6
            wait_s = retry_after_s(answer.headers.get("Retry-After"), now_s)
            self._not_before = self._clock.monotonic() + wait_s
        told = " ".join(self._hidden(said).split())[:ANSWER_CHARS]
        if _REDIRECTS <= status < _ERRORS:
            told = "a redirect, which is not followed; set the address it leads to"
        kind = _KINDS.get(status, "server" if status >= _BROKEN else "refused")
        detail = f"{self.shown} answers {status}" + (f": {told}" if told else "")
        raise SinkError(kind, detail, is_final=kind == "refused" and status not in _MENDED)

    def _hidden(self, text: str) -> str:
        """Take out of a text what may be secret: a server may repeat what it was sent."""
        for secret in filter(None, self._secrets):
            text = text.replace(secret, "***")
        return text


_KINDS: Final = {_LATE: "timeout", _BUSY: "busy"}


def retry_after_s(header: str | None, now_s: float) -> float:
    """Read `Retry-After` (RFC 9110, 10.2.3): seconds or a date; 0 where it is neither.

    Args:
        header: Its value, if it is there.
        now_s: Epoch seconds.

    Returns:
        Seconds to wait, at most `LONGEST_WAIT_S`.
    """
    text = (header or "").strip()
    if text.isdecimal():
        return min(float(text), LONGEST_WAIT_S)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max(at.timestamp() - now_s, 0.0), LONGEST_WAIT_S)


def _tokens(url: SplitResult) -> list[str]:
    """List what of an address may hold a token, the longest first."""
    both = f"{url.path}?{url.query}" if url.query else url.path
    parts = [form for part in (both, url.query, url.path) for form in (part, unquote(part))]
    return [part for part in parts if part != "/"]


def _told(error: Exception) -> str:
    """Say what went wrong on the way; never empty."""
    if isinstance(error, aiohttp.InvalidURL):  # its text is the address
        return "no address"
    if isinstance(error, aiohttp.ClientResponseError):  # its text has the address
        return f"what answers is no HTTP: {error.message}"[:ANSWER_CHARS]
    return str(error) or type(error).__name__
