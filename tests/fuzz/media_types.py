"""What the checks of the OpenAPI page are told of media types they do not know: text is text."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream")
def as_it_stands(_: schemathesis.SerializationContext, value: Any) -> Any:
    """Send text and bytes as they are, and anything else as the text that Python has for it."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.deserializer("application/x-ndjson", "application/vnd.apache.arrow.stream")
def as_text(_: schemathesis.DeserializationContext, answer: schemathesis.Response) -> Any:
    """Read an answer as the string of bytes that the page says it is."""
    return answer.content.decode("latin-1")
