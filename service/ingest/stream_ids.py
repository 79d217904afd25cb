"""Stream ids in paths: with slashes, and whatever else somebody sends, to be told what is wrong."""

from typing import Final

from starlette.convertors import PathConvertor, register_url_convertor


class StreamIdConvertor(PathConvertor):
    """Takes newlines as well, which a path of Starlette's does not: an id with one is invalid."""

    regex = "(?s:.*)"


register_url_convertor("stream", StreamIdConvertor())
STREAM_ID: Final = "{stream_id:stream}"
"""Stands in the path of a route for an id."""
