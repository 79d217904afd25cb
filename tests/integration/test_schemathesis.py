"""Every route as the OpenAPI page has it, sent what the page allows and what it does not."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.fuzz.serving import Service, served
from tests.integration.processes import COMMAND
from tests.integration.running import observations

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROOT: Final = Path(__file__).parents[2]
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
)
"""What every answer is held against.

Left out: that all that fits the page is taken (whether a time is late, or a model there, no schema
can say), and that methods nobody documented are 405 (`PUT /v1/streams/a/reset` reads as one of the
stream `a/reset`, which is refused as such an id); `Allow` names one route's methods, not a path's.
"""
EXAMPLES: Final = 100
"""Requests made of each operation at random, after those at the bounds of every schema."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all, with a stream whose past no request should harm."""
    environment = {"STEPWATCH_MAX_STREAMS": "200", "STEPWATCH_START": "reference"}
    with served(tmp_path_factory.mktemp("service"), **environment) as found:
        sent = {"observations": observations("never/named", 20)}
        httpx.post(f"{found.url}/v1/observations", json=sent, trust_env=False).raise_for_status()
        yield found


def past(service: Service) -> Any:
    """Look at the past of the stream that nobody names; a reload of its model leaves that."""
    answer = httpx.get(f"{service.url}/v1/streams/never/named", trust_env=False)
    view = answer.raise_for_status().json()
    return [view[name] for name in ("created_at", "observations", "last_timestamp", "last_seq")]


def checked(page: str, *options: str, at: Path) -> subprocess.CompletedProcess[str]:
    """Run the checks over the page, always with the same data."""
    program = COMMAND.with_name("schemathesis")
    fixed = ("--generation-deterministic", "--max-examples", str(EXAMPLES), "--no-color")
    which = ("--checks", ",".join(CHECKS), "--continue-on-failure", "--request-timeout", "20")
    return subprocess.run(
        [program, "run", page, *fixed, *which, *options],
        cwd=at,  # where it finds no settings and may leave its notes
        env=os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.fuzz.media_types"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_every_route_answers_as_documented(service: Service, tmp_path: Path) -> None:
    """No 500, and no status, media type or form that the page does not have; nothing else harmed.

    Examples, the bounds of every schema, random data and requests that follow one another.
    """
    before = past(service)
    ended = checked(f"{service.url}/openapi.json", at=tmp_path)
    print(ended.stdout)  # noqa: T201 - counts, and what failed
    assert ended.returncode == 0, ended.stdout
    page = httpx.get(f"{service.url}/openapi.json", trust_env=False).json()
    count = sum(len(methods) for methods in page["paths"].values())
    assert f"Selected: {count}/{count}" in ended.stdout
    assert f"Tested: {count}" in ended.stdout
    assert past(service) == before
    assert service.bugs() == []


def test_an_answer_that_is_not_documented_is_found(service: Service, tmp_path: Path) -> None:
    """Without the refusals in the page, the same data finds answers the page does not have."""
    page = httpx.get(f"{service.url}/openapi.json", trust_env=False).json()
    for methods in page["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    bare = tmp_path / "openapi.json"
    bare.write_text(json.dumps(page))
    ended = checked(str(bare), "--url", service.url, "--max-examples", "5", at=tmp_path)
    assert ended.returncode == 1, ended.stdout
    assert "Undocumented status code" in ended.stdout
