"""What only few of a bank's streams have, by slot: an array for all would cost all of them."""

from typing import Generic, TypeVar

from models.blocks import Int

Kept = TypeVar("Kept")


class Rare(Generic[Kept]):
    """Something of some slots."""

    def __init__(self) -> None:
        self._by_slot: dict[int, Kept] = {}

    def __len__(self) -> int:
        """Count the slots that have it."""
        return len(self._by_slot)

    def __setitem__(self, slot: int, kept: Kept) -> None:
        """Keep it for a slot."""
        self._by_slot[slot] = kept

    def pop(self, slot: int) -> Kept | None:
        """Give what a slot has, which has it no longer."""
        return self._by_slot.pop(slot, None)

    def forget(self, slots: Int) -> None:
        """Drop what these slots have."""
        if self._by_slot:
            for slot in slots.tolist():
                self._by_slot.pop(slot, None)

    def rows(self, slots: Int) -> dict[int, Kept]:
        """Give what these slots have, by their row, `[B]`."""
        if not self._by_slot:
            return {}
        found = ((row, self._by_slot.get(slot)) for row, slot in enumerate(slots.tolist()))
        return {row: kept for row, kept in found if kept is not None}

    def put(self, slots: Int, rows: dict[int, Kept]) -> None:
        """Keep for these slots what was found by row."""
        self._by_slot.update({int(slots[row]): kept for row, kept in rows.items()})
