import asyncio

from service.ingest.turns import Turns


class Written:
    """Turns with what was written of them."""

    def __init__(self) -> None:
        self.writes: list[tuple[list[str], bool]] = []
        self.turns: Turns[str] = Turns(
            asyncio.get_running_loop(), lambda said, is_last: self.writes.append((said, is_last))
        )


async def test_one_answer_is_written_at_once() -> None:
    """Who waits alone does not wait for the loop."""
    written = Written()
    written.turns.answer(written.turns.begin(), "a")
    assert written.writes == [(["a"], False)]
    assert not written.turns.waiting


async def test_answers_wait_for_those_before_them() -> None:
    """Whatever is ready first, the order is that of the turns; what is ready goes together."""
    written = Written()
    first, second, third, fourth = [written.turns.begin() for _ in range(4)]
    written.turns.answer(third, "c")
    written.turns.answer(second, "b")
    await asyncio.sleep(0)
    assert written.writes == []
    written.turns.answer(first, "a")
    await asyncio.sleep(0)
    assert written.writes == [(["a", "b", "c"], False)]
    written.turns.answer(fourth, "d")
    assert written.writes[1:] == [(["d"], False)]


async def test_answers_of_the_same_turn_of_the_loop_go_together() -> None:
    """Answers in their order are written once, after all of them."""
    written = Written()
    turns = [written.turns.begin() for _ in range(3)]
    for turn, said in zip(turns, "abc", strict=True):
        written.turns.answer(turn, said)
    await asyncio.sleep(0)
    assert written.writes == [(["a", "b", "c"], False)]


async def test_nothing_comes_after_the_last() -> None:
    """The last answer says so; turns behind it get nothing."""
    written = Written()
    first, last, beyond = (
        written.turns.begin(), written.turns.begin(is_last=True), written.turns.begin(),
    )  # fmt: skip
    for turn, said in ((beyond, "c"), (last, "b"), (first, "a")):
        written.turns.answer(turn, said)
    await asyncio.sleep(0)
    assert written.writes == [(["a", "b"], True)]
    assert not written.turns.waiting


async def test_the_end_may_be_told_late() -> None:
    """What was asked last becomes the last."""
    written = Written()
    first, last = written.turns.begin(), written.turns.begin()
    written.turns.end()
    written.turns.answer(first, "a")
    written.turns.answer(last, "b")
    await asyncio.sleep(0)
    assert [said for said, _ in written.writes] == [["a", "b"]]
    assert written.writes[-1][1]


async def test_closed_turns_write_nothing() -> None:
    """Answers that come when nobody is there any more are left."""
    written = Written()
    first, second = written.turns.begin(), written.turns.begin()
    written.turns.answer(first, "a")
    written.turns.close()
    written.turns.answer(second, "b")
    await asyncio.sleep(0)
    assert written.writes == []
