"""A service that runs elsewhere: which models it has, and a stream put on one of them."""

from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp

from service.gateway.connection import GatewayError

_ANSWER_S: Final = aiohttp.ClientTimeout(total=10.0)
_FIRST_BAD: Final = 400


class Elsewhere:
    """A service by its address.

    Args:
        url: Such as `http://10.0.0.7:8080`.

    Raises:
        ValueError: If that is no such address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"'{url}' is no address of a service, such as http://10.0.0.7:8080")
        self.url: Final = url.rstrip("/")

    @property
    def websocket(self) -> str:
        """Where observations are streamed to."""
        return f"{self.url.replace('http', 'ws', 1)}/v1/ingest"

    async def metrics_of(self, model: str) -> list[str] | None:
        """Give the metrics of a model; None if the service has none of this name.

        Raises:
            GatewayError: If the service can't be asked.
        """
        models = await self._ask("GET", "/v1/models")
        return next((list(one["metrics"]) for one in models if one["name"] == model), None)

    async def put_stream(
        self, stream_id: str, model: str, false_alarms_per_day: float | None
    ) -> None:
        """Let a stream be judged by a model, and by its level unless another is asked for.

        Raises:
            GatewayError: If the service can't be asked, or says no.
        """
        body: dict[str, Any] = {"model": model, "start": "reference"}
        if false_alarms_per_day is not None:
            body["false_alarms_per_day"] = false_alarms_per_day
        await self._ask("PUT", f"/v1/streams/{quote(stream_id)}", body)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            async with (
                aiohttp.ClientSession(timeout=_ANSWER_S) as session,
                session.request(method, self.url + path, json=body) as answer,
            ):
                told = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or "no answer"
            raise GatewayError(f"no service at {self.url}: {reason}") from error
        if answer.status >= _FIRST_BAD:
            raise GatewayError(f"the service at {self.url} says {answer.status}: {_detail(told)}")
        return told


def _detail(told: Any) -> str:
    if isinstance(told, dict):
        return str(told.get("detail") or told.get("title") or told)
    return str(told)
