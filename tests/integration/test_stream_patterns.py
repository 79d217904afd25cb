"""Patterns of the settings file in the running service."""

from pathlib import Path
from typing import Any

import pytest

from service.settings import FILE_NAME
from tests.integration.running import Running, running_service, settings_of

pytestmark = pytest.mark.integration

PATTERNS = """
[[streams]]
pattern = "plant-a/fan-*"
model = "fans"
z = 5
policy = "all"
start = "own"

[[streams]]
pattern = "plant-a/*"
sigma_floor = 0.25
"""


async def seen(service: Running, stream_id: str) -> dict[str, Any]:
    """Look at a stream."""
    answer = await service.http.get(f"/v1/streams/{stream_id}")
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def put(service: Running, stream_id: str, **options: Any) -> dict[str, Any]:
    """Set how a stream is judged."""
    answer = await service.http.put(f"/v1/streams/{stream_id}", json=options)
    assert answer.is_success, answer.text
    view: dict[str, Any] = answer.json()
    return view


def judged(view: dict[str, Any]) -> tuple[object, ...]:
    return tuple(view[name] for name in ("model", "z", "sigma_floor", "policy", "start"))


async def test_patterns_give_model_and_options_and_put_wins(tmp_path: Path) -> None:
    """What is PUT goes above the first pattern field by field, and that above the defaults."""
    (tmp_path / FILE_NAME).write_text(PATTERNS, encoding="utf-8")
    async with running_service(settings_of(tmp_path)) as service:
        rows = [
            {"stream_id": "plant-a/fan-1", "values": [0.5, 0.5, 0.5]},
            {"stream_id": "plant-a/pump-1", "values": [0.5, 0.5]},
            {"stream_id": "plant-b/pump-1", "values": [0.5, 0.5]},
        ]
        answer = await service.http.post("/v1/observations", json={"observations": rows})
        phases = [verdict["phase"] for verdict in answer.json()["verdicts"]]
        assert phases == ["washout", "live", "live"]
        by_pattern = ("fans", 5.0, 1e-6, "all", "own")
        assert judged(await seen(service, "plant-a/fan-1")) == by_pattern
        pump = ("pumps", 8.0, 0.25, "clip", "reference")
        assert judged(await seen(service, "plant-a/pump-1")) == pump
        everybodys = ("pumps", 8.0, 1e-6, "clip", "reference")
        assert judged(await seen(service, "plant-b/pump-1")) == everybodys

        changed = await put(service, "plant-a/fan-1", z=3)
        assert judged(changed) == ("fans", 3.0, 1e-6, "all", "own")
        assert judged(await put(service, "plant-a/fan-1")) == by_pattern
        made = await put(service, "plant-a/fan-2", policy="clip")
        assert judged(made) == ("fans", 5.0, 1e-6, "clip", "own")
        moved = await put(service, "plant-a/fan-3", model="pumps", start="reference")
        assert judged(moved) == ("pumps", 5.0, 1e-6, "all", "reference")
