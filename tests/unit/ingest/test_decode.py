import json

import numpy as np
import pytest

from models.blocks import NO_SEQ, NO_TIME
from service.engine.columns import Request
from service.engine.errors import RequestError
from service.ingest.decode import JSONDecoder
from service.ingest.errors import EmptyBatch, MalformedJSON, TooManyRows

DECODER = JSONDecoder(door="test", max_rows=5)
GOOD = '{"stream_id": "a", "values": [1, 2]}'


def one(values: str = "[1, 2]", beside: str = "") -> str:
    return f'{{"stream_id": "a", "values": {values}{beside}}}'


def decoded(text: str | bytes) -> Request:
    return DECODER.body(text if isinstance(text, bytes) else text.encode()).request


def error(text: str) -> tuple[str, str]:
    """Give type and detail of the error of the only row."""
    request = decoded(text)
    assert (request.size, request.columns) == (1, [])
    return request.errors[0].type, request.errors[0].detail


def test_one_observation() -> None:
    """All of it arrives in columns, and the answer will be a single one."""
    text = one("[1.5, null]", ', "timestamp": 1763762400.25, "seq": 42').encode()
    found = DECODER.body(text, explain=True)
    assert found.is_single
    assert (found.request.door, found.request.size, found.request.explain) == ("test", 1, True)
    (columns,) = found.request.columns
    assert (columns.rows.tolist(), columns.stream_ids) == ([0], ("a",))
    assert (columns.times.tolist(), columns.seqs.tolist()) == ([1763762400250000], [42])
    np.testing.assert_array_equal(columns.values, [[1.5, np.nan]])
    assert columns.metrics is None


def test_what_is_left_out_is_marked() -> None:
    """No time means on arrival, no seq means none; null says the same."""
    for beside in ("", ', "timestamp": null, "seq": null'):
        (columns,) = decoded(one(beside=beside)).columns
        assert (columns.times.tolist(), columns.seqs.tolist()) == ([NO_TIME], [NO_SEQ])


def test_rows_with_the_same_metrics_share_columns() -> None:
    """Lists by width and dicts by their names; each row keeps its place."""
    rows = ["[1, 2]", '{"x": 1, "y": 2}', "[1]", '{"x": 3, "y": null}', "[3, 4]"]
    request = decoded(f'{{"observations": [{",".join(one(values) for values in rows)}]}}')
    assert [columns.metrics for columns in request.columns] == [None, ("x", "y"), None]
    assert [columns.rows.tolist() for columns in request.columns] == [[0, 4], [1, 3], [2]]
    np.testing.assert_array_equal(request.columns[1].values, [[1, 2], [3, np.nan]])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("[NaN, 1]", "not-finite"),
        ("[1, Infinity]", "not-finite"),
        ("[-Infinity, 1]", "not-finite"),
        ("[1e400, 1]", "not-finite"),
        ("[-1e400, 1]", "not-finite"),
        (f"[{'9' * 400}, 1]", "not-finite"),
        (f"[{'9' * 5000}, 1]", "not-finite"),
        ('{"x": NaN}', "not-finite"),
        ('["1", 2]', "invalid-observation"),
        ("[true, 2]", "invalid-observation"),
        ("[[1], 2]", "invalid-observation"),
        ("[{}, 2]", "invalid-observation"),
        ('{"x": {"y": 1}}', "invalid-observation"),
        ('{"x": "1"}', "invalid-observation"),
        ('["\\ud800", 1]', "invalid-observation"),
        ('"1, 2"', "invalid-observation"),
        ("3", "invalid-observation"),
    ],
)
def test_values_that_are_no_numbers(values: str, kind: str) -> None:
    """They are refused with a reason that says which value it was."""
    found, detail = error(one(values))
    assert found == kind
    assert detail


@pytest.mark.parametrize(
    "values", ["[]", "{}", "[1e300]", "[-0.0]", "[18446744073709551616]", '{"\\ud800": 1}']
)
def test_values_that_only_the_model_can_judge(values: str) -> None:
    """Any width, any name and any finite number is passed on."""
    assert len(decoded(one(values)).columns) == 1


def test_of_a_name_given_twice_the_last_counts() -> None:
    """As in most JSON readers."""
    text = '{"stream_id": "b", "stream_id": "a", "values": {"x": 1, "x": 2}}'
    (columns,) = decoded(text).columns
    assert (columns.stream_ids, columns.values.tolist()) == (("a",), [[2]])


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        (', "colour": 1', "unknown field `colour`"),
        (', "\\ud800": 1', "surrogate"),
        (', "stream_id": 5', "Expected `str"),
        (', "seq": -1', ">= 0"),
        (', "seq": 9223372036854775808', "<= 9223372036854775807"),
        (', "seq": 123456789012345678901234', "Expected `int"),
        (', "seq": 1.5', "Expected `int"),
        (', "seq": 1.0', "Expected `int"),
        (', "seq": "1"', "Expected `int"),
        (', "seq": true', "Expected `int"),
        (', "timestamp": true', "Expected `float"),
        (', "timestamp": [1]', "Expected `float"),
    ],
)
def test_fields_that_do_not_fit(beside: str, told: str) -> None:
    """The detail names the field or what was expected of it."""
    kind, detail = error(one(beside=beside))
    assert kind == "invalid-observation"
    assert told in detail


def test_the_largest_seq_fits() -> None:
    """Sequence numbers have 63 bits."""
    (columns,) = decoded(one(beside=f', "seq": {2**63 - 1}')).columns
    assert columns.seqs.tolist() == [2**63 - 1]


@pytest.mark.parametrize(
    "text",
    ["", "null", "5", '"x"', "{}", "[]", f"[{GOOD}]", '{"values": null}', '{"stream_id": "a"}',
     '{"observations": null}', '{"observations": {}}', '{"observations": 5}',
     f'{{"observations": [{GOOD}], "timestamp": 5}}', f'{{"observations": [{GOOD}], "seq": 5}}',
     f'{{"observations": [{GOOD}], "values": [1]}}', f'{{"observations": [{GOOD}], "x": null}}',
     f'{{"observations": [{GOOD}, NaN], "stream_id": "a"}}', f"{GOOD} x", f"{GOOD}{GOOD}",
     GOOD[:-1], "{'values': [1]}", one("[1,]"), one("[01]"), one("[0x1]"), "\x00",
     b"\xff\xfe", b'\xef\xbb\xbf{"values": [1]}', b'{"stream_id": "a\xff", "values": [1]}',
     "[" * 100_000, '{"x":' * 100_000, '{"values": ' + "[" * 100_000,
     '{"observations": [' + "[" * 5000 + "]" * 5000 + "]}"],
)  # fmt: skip
def test_what_is_no_body(text: str | bytes) -> None:
    """It is refused as a whole, with a text that can be sent back."""
    with pytest.raises(MalformedJSON) as caught:
        decoded(text)
    assert str(caught.value).encode()


@pytest.mark.parametrize("text", ['{"observations": []}', '{"observations":[ ] }'])
def test_an_empty_batch(text: str) -> None:
    """Nothing to score is an error, as it is most likely a mistake."""
    with pytest.raises(EmptyBatch):
        decoded(text)


@pytest.mark.parametrize("row", [GOOD, "null", one("[NaN]")])
def test_too_many_rows(row: str) -> None:
    """Good or bad, rows beyond the limit refuse the whole request."""
    assert decoded(f'{{"observations": [{",".join([row] * 5)}]}}').size == 5
    many = ",".join([row] * 6)
    for refused in (DECODER.body, DECODER.frame):
        with pytest.raises(TooManyRows, match="5 is the limit"):
            refused(f'{{"observations": [{many}]}}'.encode())
    with pytest.raises(TooManyRows):
        DECODER.frame(f"[{many}]".encode())


def test_a_bad_row_spoils_no_other() -> None:
    """Rows of every kind of badness stand in their places beside good ones."""
    rows = ["null", GOOD, '{"stream_id": "a"}', GOOD, one("[NaN]")]
    request = decoded(f'{{"observations": [{",".join(rows)}]}}')
    assert request.columns[0].rows.tolist() == [1, 3]
    kinds = {place: one.type for place, one in request.errors.items()}
    assert kinds == {0: "invalid-observation", 2: "invalid-observation", 4: "not-finite"}


@pytest.mark.parametrize(
    ("body_id", "path_id", "kind"),
    [
        ('"a"', "a", None),
        ("null", "a", None),
        ('"b"', "a", "invalid-id"),
        ("null", None, "invalid-id"),
    ],
)
def test_the_stream_is_named_by_path_or_body(
    body_id: str, path_id: str | None, kind: str | None
) -> None:
    """One of both must name it, and if both do they must agree."""
    text = f'{{"stream_id": {body_id}, "values": [1]}}'.encode()
    request = DECODER.body(text, stream_id=path_id).request
    assert [error.type for error in request.errors.values()] == ([] if kind is None else [kind])
    assert [columns.stream_ids for columns in request.columns] == ([] if kind else [("a",)])


@pytest.mark.parametrize("text", [f"[{GOOD}]", f" \n[{GOOD}, null]", "[1]", f"[{GOOD}, [1]]"])
def test_a_frame_may_be_an_array(text: str) -> None:
    """Its rows are answered as many, even if there is but one."""
    found = DECODER.frame(text.encode())
    assert not found.is_single
    assert found.request.size == len(json.loads(text))


@pytest.mark.parametrize("text", [GOOD, f'{{"observations": [{GOOD}]}}', one("[NaN]")])
def test_a_frame_may_be_a_body(text: str) -> None:
    """Anything a body may hold is fine in a frame."""
    frame, body = DECODER.frame(text.encode()), DECODER.body(text.encode())
    assert (frame.is_single, frame.request.errors) == (body.is_single, body.request.errors)


@pytest.mark.parametrize("text", ["", "[", "[]", "nonsense", "[1, 2", "\ufeff[1]", f"[{GOOD}]x"])
def test_a_frame_that_is_nothing(text: str) -> None:
    """It is a problem of the caller, never of the service."""
    with pytest.raises(RequestError):
        DECODER.frame(text.encode())
