"""Links to the service, for those who get an alert."""

from urllib.parse import quote

from service.sinks.http_address import address_of


class Links:
    """Makes links that begin with the address readers of alerts know.

    Args:
        public_url: Where readers of alerts reach the service.

    Raises:
        ValueError: If it can't be read.
    """

    def __init__(self, public_url: str) -> None:
        try:
            address_of(public_url)
        except ValueError as error:
            raise ValueError(f"the public URL: {error}") from None
        self._base = public_url.rstrip("/")

    def stream(self, stream_id: str) -> str:
        """Give the address of a stream."""
        return f"{self._base}/v1/streams/{quote(stream_id)}"
