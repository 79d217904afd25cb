"""A service that runs elsewhere: which models it has, and a stream put on one of them."""

import shlex
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp

from service.gateway.connection import GatewayError
from service.host.session import Plan
from service.host.streaming import RefusedError

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

    async def put_stream(self, plan: Plan) -> None:
        """Let the stream be judged by the model, and by its level unless another is asked for.

        Raises:
            GatewayError: If the service can't be asked, or says no.
        """
        body: dict[str, Any] = {"model": plan.model, "start": "reference"}
        if plan.false_alarms_per_day is not None:
            body["false_alarms_per_day"] = plan.false_alarms_per_day
        await self._ask("PUT", f"/v1/streams/{quote(plan.stream_id)}", body)

    def bringing(self, plan: Plan, model: Path, data_dir: Path) -> str:
        """Say how a model that lies in a directory here comes to the service.

        Args:
            plan: What is done then.
            model: The directory.
            data_dir: The user's data directory.
        """
        again = ["--url", self.url, "--model", plan.model, "--stream", plan.stream_id]
        again += ["--every", f"{plan.every_s:g}", "--data-dir", str(data_dir)]
        if plan.false_alarms_per_day is not None:
            again += ["--false-alarms-per-day", f"{plan.false_alarms_per_day:g}"]
        return (
            f"The model '{plan.model}' is here; bring it to the service, then start again:\n"
            f"  copy {model} into the directory models/ of its data directory\n"
            f"  curl -X POST {self.url}/v1/models/{plan.model}/reload\n"
            f"  {shlex.join(['stepwatch', 'host', *again])}"
        )

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
            raise RefusedError(f"the service at {self.url} says {answer.status}: {_detail(told)}")
        return told


def _detail(told: Any) -> str:
    if isinstance(told, dict):
        return str(told.get("detail") or told.get("title") or told)
    return str(told)
