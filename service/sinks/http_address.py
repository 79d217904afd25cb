"""Addresses that are posted to, checked before anything is sent."""

from urllib.parse import SplitResult, urlsplit


def address_of(url: str) -> SplitResult:
    """Take an address apart.

    Args:
        url: `http[s]://[user:password@]host[:port][/path]`.

    Raises:
        ValueError: If it is none, or its host can't be looked up whatever is there.
    """
    try:
        given, host = urlsplit(url), urlsplit(url).hostname or ""
        is_fit = given.scheme in {"http", "https"} and bool(host) and given.port != 0
        host.encode("idna")  # as looking it up does, where it would fail each time
        is_fit = is_fit and url.isprintable() and " " not in host
    except ValueError:
        is_fit = False
    if not is_fit:
        # the URL is not repeated: it may hold a password
        raise ValueError("the URL cannot be read; write http://[user:password@]host[:port][/path]")
    return given
