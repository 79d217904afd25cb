"""`stepwatch health`: whether a service answers, for health checks of containers and scripts."""

import os
from http import HTTPStatus
from http.client import HTTPException
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import typer

_TIMEOUT_S = 3.0


def health(
    url: Annotated[
        str | None,
        typer.Option(help="Of the service; else STEPWATCH_PORT of this machine, else port 8080."),
    ] = None,
    ready: Annotated[
        bool, typer.Option("--ready", help="Ask whether observations are taken, too.")
    ] = False,
) -> None:
    """End with status 0 if the service answers, and with 1 if it does not."""
    base = (url or _here()).rstrip("/")
    try:
        # no proxy: it would not know the way to this machine itself
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"{base}{'/readyz' if ready else '/healthz'}", timeout=_TIMEOUT_S):
            typer.echo("ready" if ready else "alive")
    except HTTPError as error:
        told = (
            "it is up, but not ready"
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE
            else "no Stepwatch"
        )
        _fail(f"{base} answers {error.code}: {told}")
    except ValueError:
        _fail(f"no service at {base}: write http://HOST:PORT")
    except (URLError, OSError, HTTPException) as error:
        _fail(f"no service at {base}: {getattr(error, 'reason', error)}")


def _here() -> str:
    """Guess where the service of this machine is: settings proper would take a second to import."""
    return f"http://127.0.0.1:{os.environ.get('STEPWATCH_PORT') or 8080}"


def _fail(reason: str) -> None:
    typer.echo(reason, err=True)
    raise typer.Exit(1)
