import json

import numpy as np
import pytest

from service.engine.errors import RequestError, RowError
from service.ingest.ndjson import NDJSONDecoder, encode_lines
from service.ingest.schemas import ErrorText, Refused

DECODER = NDJSONDecoder(door="test", max_rows=5)
GOOD = b'{"stream_id": "a", "timestamp": 1, "values": [1, 2], "seq": 7}'


def test_a_line_is_an_observation() -> None:
    """Lines with any line end become rows in their order; blank lines are passed over."""
    data = b"\n\r\n  \n" + GOOD + b'\r\n\n{"stream_id": "b", "values": [null, 4]}'
    decoded = DECODER.body(data)
    (columns,) = decoded.request.columns
    assert (decoded.is_single, decoded.request.size, decoded.request.door) == (False, 2, "test")
    assert columns.stream_ids == ("a", "b")
    assert columns.rows.tolist() == [0, 1]
    assert columns.seqs.tolist() == [7, -1]
    np.testing.assert_array_equal(columns.values, [[1, 2], [np.nan, 4]])


@pytest.mark.parametrize(
    "bad",
    [b"{", b"[1]", b"7", b"\xff", b'{"observations": []}', b'{"values": ["1"]}', b"{} {}", b"\x00"],
)
def test_a_bad_line_spoils_no_other(bad: bytes) -> None:
    """A line that is no observation is refused in its place, with the reason."""
    request = DECODER.body(b"\n".join([GOOD, bad, GOOD])).request
    assert request.columns[0].rows.tolist() == [0, 2]
    assert request.errors[1].type == "invalid-observation"
    assert request.errors[1].detail


def test_no_json_says_so() -> None:
    """The detail of a line that is no JSON is the parser's."""
    error = DECODER.body(GOOD + b"\n{]").request.errors[1]
    assert error == RowError("invalid-observation", error.detail)
    assert error.detail.startswith("this is no JSON: ")


def test_the_path_names_the_stream() -> None:
    """Beside the stream of the path a line may name no other."""
    request = DECODER.body(b'{"values": [1]}\n' + GOOD, stream_id="b").request
    assert request.columns[0].stream_ids == ("b",)
    assert request.errors[1].type == "invalid-id"


@pytest.mark.parametrize(
    ("data", "slug"),
    [(b"", "empty-batch"), (b" \n\n", "empty-batch"), (b"{\n" * 6, "too-many-rows")],
)
def test_too_few_or_too_many_lines(data: bytes, slug: str) -> None:
    """No line at all and more lines than allowed are refused as a whole."""
    with pytest.raises(RequestError) as caught:
        DECODER.body(data)
    assert caught.value.slug == slug


def test_an_answer_has_a_row_a_line() -> None:
    """Each row of the answer is a line by itself."""
    rows = [Refused(place, ErrorText("duplicate", "a\nb")) for place in (0, 1)]
    lines = encode_lines(list(rows)).splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1]
