import numpy as np
import pytest

from service.engine.columns import Single
from service.ingest.decode import Decoded, decoded_of
from tests.unit.ingest.test_decode import DECODER, GOOD, one


@pytest.mark.parametrize("path_id", [None, "a"])
@pytest.mark.parametrize(
    "text",
    [
        one(),
        one("[1.5, null]", ', "timestamp": 1763762400.25, "seq": 42'),
        one("[]", ', "timestamp": "2026-11-22T00:00:00Z"'),
        one("[1e300, -0.0]", ', "timestamp": -1e308'),
        '{"stream_id": "é", "values": [1]}',
    ],
)
def test_one_observation_needs_no_columns(text: str, path_id: str | None) -> None:
    """It is taken as it is, and says the same as its columns would."""
    data = text.encode()
    if path_id is not None:
        data = data.replace("é".encode(), b"a")
    for taken in (DECODER.taken(data, path_id), DECODER.taken_frame(data)):
        assert isinstance(taken, Single)
        (ours,), (theirs,) = decoded_of(taken).request.columns, DECODER.body(data).request.columns
        assert (ours.stream_ids, ours.metrics) == (theirs.stream_ids, theirs.metrics)
        for name in ("rows", "times", "seqs", "values"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize(
    "text",
    [
        one('{"x": 1}'), one("[NaN]"), one("[1e400]"), one(beside=', "timestamp": "noon"'),
        one(beside=', "seq": -1'), '{"values": [1]}', f'{{"observations": [{GOOD}]}}',
        f'{{"observations": [{GOOD}, null]}}', '{"stream_id": 1, "values": [1]}',
    ],
)  # fmt: skip
def test_whatever_is_not_plain_is_a_request(text: str) -> None:
    """Also where the row will be refused, with the errors of the ordinary way."""
    for taken in (DECODER.taken(text.encode()), DECODER.taken_frame(text.encode())):
        assert isinstance(taken, Decoded)
        wanted = DECODER.body(text.encode())
        assert (taken.is_single, taken.request.errors) == (wanted.is_single, wanted.request.errors)


def test_the_path_and_the_body_must_agree() -> None:
    """One observation of another stream than the path names is refused as before."""
    taken = DECODER.taken(GOOD.encode(), "b")
    assert isinstance(taken, Decoded)
    assert taken.request.errors[0].type == "invalid-id"
