from typing import Any

import pytest

from service.ingest import openapi
from service.ingest.body import ARROW, OBSERVATIONS
from service.ingest.examples import EXAMPLES
from service.ingest.schemas import Observation, Verdict


def contents() -> list[dict[str, Any]]:
    """Give what the page says of a body of observations and of its answer, by media type."""
    sent = openapi.observations("observation", openapi.reference(Observation))
    answered = openapi.verdicts("verdict", Verdict)
    return [sent["requestBody"]["content"], answered[200]["content"]]


@pytest.mark.parametrize("content", contents(), ids=["sent", "answered"])
def test_every_media_type_is_named(content: dict[str, Any]) -> None:
    """What the route takes is what the page names, each with a schema; Arrow is binary."""
    assert tuple(content) == OBSERVATIONS
    assert all("schema" in shown for shown in content.values())
    schema = content[ARROW]["schema"]
    assert (schema["type"], schema["format"]) == ("string", "binary")
    assert "docs/columns.md" in schema["description"]


@pytest.mark.parametrize("content", contents(), ids=["sent", "answered"])
def test_text_has_an_example(content: dict[str, Any]) -> None:
    """JSON and NDJSON have an example that is in the components; bytes have none."""
    for media_type, shown in content.items():
        assert ("examples" in shown) == (media_type != ARROW)
        for name, example in shown.get("examples", {}).items():
            assert example == {"$ref": f"#/components/examples/{name}"}
            assert name in EXAMPLES
