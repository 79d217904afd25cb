"""Figures of the smaller measurements, and that what they measure is what they say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.herd import Herd
from benchmarks.load_rows import METRICS
from benchmarks.memory import Growth, table_of
from benchmarks.micro_figures import Figure, Target
from benchmarks.micro_steps import Advancing, Floor, Resident
from benchmarks.replay import Difference, Way, difference
from benchmarks.scrape import Scraped
from benchmarks.timing import in_turn_us, ratio
from models.bank import StreamBank
from models.blocks import Phase, Refusal, VerdictBlock
from tests.fakes import make_checkpoint


def test_calls_are_timed_in_turn() -> None:
    """Each repeat has every call, so that a busy moment falls on all of them."""
    order: list[str] = []
    calls = [lambda: order.append("a"), lambda: order.append("b")]

    found = in_turn_us(calls, repeats=3, at_least_s=0.0)

    assert [len(many) for many in found] == [3, 3]
    assert "".join(order[-6:]) == "ababab"


def test_a_ratio_is_the_median_of_the_repeats() -> None:
    """One repeat that was disturbed does not count."""
    assert ratio([4.0, 4.0, 400.0], [2.0, 2.0, 2.0]) == 2.0


@pytest.mark.parametrize(
    ("target", "is_met"),
    [
        (None, None),
        (Target("times", 2.0), True),
        (Target("times", 1.9), False),
        (Target("us", 0.5), True),
        (Target("us", 0.4), False),
    ],
)
def test_a_target_is_of_the_floor_or_of_a_row(target: Target | None, is_met: bool | None) -> None:
    """50 us for 100 rows, whose floor is 25."""
    figure = Figure.of(("here", "this", 100), [50.0], [25.0], target)

    assert (figure.us, figure.floor_us, figure.times) == (0.5, 0.25, 2.0)
    assert figure.is_met is is_met
    assert json.loads(json.dumps(figure.told()))["is_met"] is is_met


def test_a_floor_grows_with_the_rows() -> None:
    """Its products are those of one row, as many times as there are rows."""
    one, many = (Floor(size).us([1000.0], [0.0], [0.0])[0] for size in (1, 64))

    assert many == pytest.approx(64 * one)


advance = StreamBank.advance


def test_advance_is_measured_with_rows_that_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """None refused, none washing out: that would be cheaper, and nobody would see it."""
    said: list[VerdictBlock] = []
    monkeypatch.setattr(
        StreamBank, "advance", lambda bank, block: said.append(advance(bank, block))
    )
    resident = Resident(make_checkpoint(METRICS, validation_steps=120), 12, seen=3)
    del said[:]

    for size in (4, 5, 1, 12):  # one after the other, as streams of a bank are used again
        advancing = Advancing(resident, size)
        for _ in range(400):
            advancing.advance()
        assert len(said[-1]) == size

    for verdicts in said:
        assert (verdicts.refusal == Refusal.NONE).all()
        assert (verdicts.phase == Phase.LIVE).all()
        assert len(set(verdicts.slots.tolist())) == len(verdicts)


def test_replay_takes_every_row_in_each_way() -> None:
    """All rows of one stream, in order, none refused, and the same verdicts."""
    values = np.random.default_rng(0).random((150, 3))
    bank, ways = StreamBank(make_checkpoint(validation_steps=120)), [Way(1), Way(64)]

    for way in ways:
        way.run(bank, values)

    assert [len(way.told) for way in ways] == [150, 3]
    assert [len(way.column("score")) for way in ways] == [150, 150]
    assert (ways[0].column("refusal") == Refusal.NONE).all()
    assert difference(*ways).is_none


def test_replay_sees_a_difference() -> None:
    """A score that is off, one that is unknown for one alone, another phase."""
    values = np.random.default_rng(0).random((100, 3))
    bank, one, other = StreamBank(make_checkpoint(validation_steps=120)), Way(1), Way(50)
    for way in (one, other):
        way.run(bank, values)
    told = other.told[1]

    told.score[30] *= 1.01
    assert difference(one, other).worst["score"] == pytest.approx(0.01)
    assert not difference(one, other).is_none
    told.score[30] = np.nan
    assert difference(one, other).worst["score"] == float("inf")
    told.phase[31] = 1 - told.phase[31]
    assert difference(one, other).differing == 1
    assert not Difference({"score": 0.0}, 1).is_none


def test_memory_is_told_by_stream() -> None:
    """And what further streams took, which a fixed cost does not spoil."""
    few = Growth(what="bank", streams=1000, before=0, after=1024 * 20_000)
    many = Growth(what="bank", streams=2000, before=0, after=1024 * 30_000)

    assert (few.kib_a_stream, many.kib_a_stream) == (20.0, 15.0)
    assert list(table_of([few, many]).columns[5].cells) == ["", "10.00"]


def test_a_hold_is_what_is_longer_than_usual() -> None:
    """The longest latency with scrapes, less the usual one without."""
    found = Scraped(
        exported=1, most_ms=1.0, page_ms=[1.0], size=1, alone_ms=[1.0] * 100, with_ms=[1.0, 4.0]
    )

    assert found.hold_ms == 3.0
    assert found.p99_times == pytest.approx(3.97)


def test_a_herd_sends_each_stream_once_a_step() -> None:
    """In requests of no more rows than the service takes."""
    herd = Herd("far", 10_007)
    messages = [template.at(0) for template in herd._templates]

    assert [(one.first, one.rows) for one in messages] == [(0, 10_000), (10_000, 7)]
    assert b"far-010006" in messages[1].data


def test_the_plot_shows_every_path(tmp_path: Path) -> None:
    """Gains of all paths, and the cost of `advance` beside them."""
    pytest.importorskip("matplotlib")
    from benchmarks.plot import drawn, main  # noqa: PLC0415 - needs what may not be there

    one: dict[str, Any] = {"measure": "rate", "must": 2, "aim": 9, "gain": 4.0, "met": "must"}
    targets = [one | {"path": name, "gains": [3.0, 4.0, 5.0]} for name in ("one", "two")]
    machine = {"cores": 2, "pinned": "each", "rounds": 3}
    speed = {"at": "2026-11-22T05:00:00", "machine": machine, "targets": targets}
    micro = [
        Figure.of(("Advance", what, rows), [9.0 * rows], [1.0 * rows], Target("times", 3.0)).told()
        for what in ("few", "many")
        for rows in (1, 64)
    ]

    gains, advance = drawn(speed, micro).axes
    (tmp_path / "speed.json").write_text(json.dumps(speed))
    main(tmp_path / "speed.json", tmp_path / "speed.png", None)

    assert [text.get_text() for text in gains.get_yticklabels()] == ["one", "two"]
    assert {"4.0x"} == {text.get_text() for text in gains.texts}
    assert {"few", "many", "floor"} <= {line.get_label() for line in advance.get_lines()}
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
