"""Packed entries: what stands in them, how large they become, and what the reader refuses."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from models.blocks import NO_SEQ, NO_TIME, Anomaly, Phase, Refusal
from service.engine.ports import Scored
from service.sinks.packed import (
    ENTRY_BYTES,
    PackedEntry,
    PackedError,
    fitting_together,
    packed_entries,
    unpacked,
)
from tests.deliveries import MINUTE, TIME, scored, verdicts


def as_read(entry: PackedEntry) -> dict[bytes, bytes]:
    """Give an entry as a client that decodes nothing does."""
    encoded = {name: one.encode() if isinstance(one, str) else one for name, one in entry.items()}
    return {name.encode(): content for name, content in encoded.items()}


def of_model(model: str, *stream_ids: str) -> Scored:
    """Make a block of another model."""
    return replace(scored(stream_ids), model=model)


def one_entry() -> dict[bytes, bytes]:
    """Give an entry of two verdicts."""
    (entry,) = packed_entries([scored(["a", "b"])])
    return as_read(entry)


def test_what_goes_in_comes_out() -> None:
    """Every column comes back as it was, unknown as NaN and codes; a refused row does not."""
    block = verdicts(
        3,
        seqs=[NO_SEQ, 2**63 - 1, 5],
        refusal=[Refusal.NONE, Refusal.NONE, Refusal.OUT_OF_ORDER],
        phase=[Phase.WASHOUT, Phase.LIVE, 77],
        score=[nan, 1 / 3, 0.5],
        smoothed=[nan, 2 / 3, 0.5],
        threshold=[nan, 1e-300, 0.5],
        severity=[nan, inf, 0.5],
        is_anomaly=[Anomaly.UNKNOWN, Anomaly.YES, Anomaly.NO],
    )
    (entry,) = packed_entries([scored(["größe/泵", 'a,"\\\n', "no"], block)])
    found = unpacked(as_read(entry))
    assert (found.model, len(found), found.stream_ids) == ("pumps", 2, ["größe/泵", 'a,"\\\n'])
    assert found.timestamp.tolist() == [TIME, TIME + MINUTE]
    assert found.seq.tolist() == [-1, 2**63 - 1]
    assert found.phase.tolist() == [0, 2]
    np.testing.assert_array_equal(found.score, [nan, 1 / 3])
    np.testing.assert_array_equal(found.smoothed_score, [nan, 2 / 3])
    np.testing.assert_array_equal(found.threshold, [nan, 1e-300])
    np.testing.assert_array_equal(found.severity, [nan, nan])
    assert found.is_anomaly.tolist() == [-1, 1]


def test_columns_are_low_byte_first() -> None:
    """The bytes are those the documentation promises, whatever the machine."""
    entry = one_entry()
    assert list(entry) == [
        b"model", b"rows", b"format", b"stream_ids", b"timestamp", b"seq", b"phase", b"score",
        b"smoothed_score", b"threshold", b"severity", b"is_anomaly", b"level_shift_since",
    ]  # fmt: skip
    assert (entry[b"rows"], entry[b"format"]) == (b"2", b"2")
    assert entry[b"stream_ids"] == b'["a","b"]'
    assert entry[b"timestamp"] == b"".join(at.to_bytes(8, "little") for at in (TIME, TIME + MINUTE))
    assert entry[b"seq"] == b"\xff" * 16
    assert entry[b"phase"] == b"\x02\x02"
    assert entry[b"is_anomaly"] == b"\x00\x00"
    assert entry[b"level_shift_since"] == b""


def test_level_shifts_cost_nothing_where_there_are_none() -> None:
    """Their column is there where one level is shifted, with every row; else it is empty."""
    block = verdicts(3, shifted_since=[NO_TIME, TIME - MINUTE, NO_TIME])
    (entry,) = packed_entries([scored(["a", "b", "c"], block)])
    assert len(entry["level_shift_since"]) == 24
    found = unpacked(as_read(entry))
    assert found.level_shift_since.tolist() == [NO_TIME, TIME - MINUTE, NO_TIME]
    assert unpacked(one_entry()).level_shift_since.tolist() == [NO_TIME, NO_TIME]


def test_blocks_of_a_model_are_merged() -> None:
    """One entry a model, first come first; the rows of each keep their order."""
    blocks = [of_model("fans", "a"), of_model("pumps", "b", "c"), of_model("fans", "d")]
    found = [unpacked(as_read(entry)) for entry in packed_entries(blocks)]
    assert [(one.model, one.stream_ids) for one in found] == [
        ("fans", ["a", "d"]),
        ("pumps", ["b", "c"]),
    ]


def test_nothing_taken_is_no_entry() -> None:
    """Empty blocks and blocks of refused rows leave none."""
    refused = scored(["a"], verdicts(1, refusal=[Refusal.DUPLICATE]))
    assert list(packed_entries([scored([]), refused])) == []
    assert list(fitting_together([])) == []


@pytest.mark.parametrize("is_shifted", [False, True])
@pytest.mark.parametrize("length", [1, 12, 200, ENTRY_BYTES])
def test_no_entry_grows_too_large(length: int, is_shifted: bool) -> None:
    """Long ids make more entries, and lose and reorder nothing; one row is always an entry."""
    ids = [f"{row:0{length}}" for row in range(2500 if length <= 200 else 3)]
    block = verdicts(len(ids), shifted_since=[TIME] * len(ids)) if is_shifted else None
    entries = list(packed_entries([scored(ids, block)]))
    sizes = [sum(map(len, entry.values())) for entry in entries]
    found = [unpacked(as_read(entry)) for entry in entries]
    assert all(
        size <= ENTRY_BYTES + 100 or len(one) == 1 for size, one in zip(sizes, found, strict=True)
    )
    assert [one for entry in found for one in entry.stream_ids] == ids


def test_small_entries_go_together() -> None:
    """Entries of many models share a write as far as they fit."""
    ids = [f"pump-{row}" for row in range(300)]
    blocks = [of_model(f"model-{number}", *ids) for number in range(9)]
    parts = list(fitting_together(packed_entries(blocks)))
    assert [len(part) for part in parts] == [3, 3, 3]
    assert [entry["model"] for part in parts for entry in part] == [one.model for one in blocks]


@pytest.mark.parametrize("name", sorted(one_entry()))
def test_a_missing_field_is_an_error(name: bytes) -> None:
    """Whichever it is, the error names it."""
    entry = one_entry()
    del entry[name]
    with pytest.raises(PackedError, match=f"no field {name.decode()}"):
        unpacked(entry)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (b"format", b"1", "format b'1' is not known; this reader knows '2'"),
        (b"rows", b"two", "cannot be read"),
        (b"rows", b"3", "stream_ids holds 2 rows instead of 3"),
        (b"model", b"\xff", "cannot be read"),
        (b"stream_ids", b"a,b", "cannot be read"),
        (b"stream_ids", b"[1,2]", "cannot be read"),
        (b"stream_ids", b'["a"]', "stream_ids holds 1 rows instead of 2"),
        (b"timestamp", b"12345678", "timestamp has 8 bytes; 2 rows take 16"),
        (b"is_anomaly", b"", "is_anomaly has 0 bytes; 2 rows take 2"),
        (b"level_shift_since", b"12345678", "level_shift_since has 8 bytes; 2 rows take 16"),
    ],
)
def test_content_that_does_not_fit_is_an_error(name: bytes, content: bytes, problem: str) -> None:
    """Another format, another length, no JSON: each is told apart from verdicts."""
    with pytest.raises(PackedError, match=problem):
        unpacked({**one_entry(), name: content})


def test_what_is_read_cannot_be_changed() -> None:
    """The columns look at the entry's bytes; who wants to write copies them."""
    found = unpacked(one_entry())
    assert not found.score.flags.writeable
    assert not found.level_shift_since.flags.writeable
