"""Links to the service, for those who get an alert."""

from urllib.parse import quote, urlsplit


class Links:
    """Makes links that begin with the address readers of alerts know.

    Args:
        public_url: Where readers of alerts reach the service.

    Raises:
        ValueError: If it does not begin with http:// or https:// and a host.
    """

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the public URL begins with http:// or https:// and a host")
        self._base = public_url.rstrip("/")

    def stream(self, stream_id: str) -> str:
        """Give the address of a stream."""
        return f"{self._base}/v1/streams/{quote(stream_id)}"
