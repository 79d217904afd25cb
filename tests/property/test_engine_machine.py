"""The engine with its store against a plain model, whatever happens in whatever order."""

from typing import Any, Final
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from models.options import StreamOptions
from service.engine.errors import NotAdmitted, NotReady, StoreError
from tests.fakes import normal_values
from tests.property.invariants import check_sound
from tests.property.machine import N_CHECKPOINTS, NAMES, MachineRig, bank
from tests.property.plain import alone
from tests.property.rows import Draft, bulk, drafts
from tests.property.storing import EVERY_S, RECENT_EVERY_S
from tests.property.world import EVICT_AFTER_S, MAX_STREAMS, Unavailable

IDS: Final = ("a", "plant/b", "c", "d", "e")

ids = st.sampled_from(IDS)
numbers = st.integers(0, N_CHECKPOINTS - 1)
options = st.builds(
    StreamOptions,
    z=st.sampled_from([None, 2.0, 30.0]),
    start=st.sampled_from(["reference", "own"]),
    prime=st.booleans(),
)
owns = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(NAMES),
        "z": st.sampled_from([1.5, 4.0, 100.0]),
        "policy": st.sampled_from(["clip", "all", "exclude"]),
        "sigma_floor": st.sampled_from([1e-6, 0.5]),
        "start": st.sampled_from(["reference", "own"]),
        "prime": st.booleans(),
    },
)


class EngineMachine(MachineRig):
    """Does the same with an engine and with a plain model and compares them after each step."""

    @initialize(chosen=options, has_file=st.booleans())
    def begin(self, chosen: StreamOptions, has_file: bool) -> None:
        """Start with an empty store."""
        self.set_up(chosen, has_file=has_file)

    # --- what clients do

    @rule(drafted=st.lists(st.lists(drafts(IDS), min_size=1, max_size=8), min_size=1, max_size=3))
    def send(self, drafted: list[list[Draft]]) -> None:
        """Send requests, the later before the earlier are answered."""
        self.sent([[self.writer.row(draft, self.clock.now()) for draft in one] for one in drafted])

    @rule(stream_id=ids, size=st.sampled_from([4, 12, 70, 140]), seed=st.integers(0, 99))
    def send_many(self, stream_id: str, size: int, seed: int) -> None:
        """Send many rows of one stream."""
        self.sent([bulk(self.writer, stream_id, normal_values(size, seed=seed), self.clock.now())])

    @rule(stream_id=ids, size=st.integers(1, 4))
    def send_spikes(self, stream_id: str, size: int) -> None:
        """Send spikes in a row, which open alerts."""
        drafted = [Draft(stream_id, "spike", at) for at in range(size)]
        self.sent([[self.writer.row(draft, self.clock.now()) for draft in drafted]])

    @rule(stream_id=ids, own=owns)
    def put(self, stream_id: str, own: dict[str, Any]) -> None:
        """Create a stream or change its options."""
        before = self.ids_here()
        found = expected = ""
        try:
            self.run(self.engine.streams.put(stream_id, own))
        except (NotAdmitted, NotReady) as error:
            found = error.slug
        self.world.evicted = before - self.ids_here()
        try:
            expected = self.world.put(stream_id, own)
        except Unavailable as error:
            expected = str(error)
        assert found == expected

    @rule(stream_id=ids)
    def look(self, stream_id: str) -> None:
        """Look at a stream, which brings it back."""
        self.both(stream_id)

    @rule(stream_id=ids)
    def reset(self, stream_id: str) -> None:
        """Begin a stream anew."""
        stream, twin = self.both(stream_id)
        if stream is not None and twin is not None:
            self.run(self.engine.streams.reset(stream))
            self.world.reset(twin)

    @rule(stream_id=ids, drafted=st.lists(drafts(IDS), min_size=1, max_size=3))
    def delete(self, stream_id: str, drafted: list[Draft]) -> None:
        """Delete a stream, and send at once more that may create it anew."""
        stream, twin = self.both(stream_id)
        rows = [self.writer.row(draft, self.clock.now()) for draft in drafted]
        if stream is not None and twin is not None:
            self.world.delete(stream_id)
        self.sent([rows], gone=stream)

    # --- what the house does

    @rule(seconds=st.sampled_from([0.5, EVICT_AFTER_S / 2, EVICT_AFTER_S, 10 * EVICT_AFTER_S]))
    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.advance(seconds)

    @rule(name=st.sampled_from(NAMES), number=numbers)
    def reload(self, name: str, number: int) -> None:
        """Let another checkpoint serve."""
        self.run(self.engine.streams.reload(name, lambda: alone(bank(number))))
        self.world.reload(name, bank(number))

    @rule(seconds=st.sampled_from([EVERY_S, RECENT_EVERY_S]))
    def save(self, seconds: float) -> None:
        """Let the saver do one round."""
        self.clock.advance(seconds)
        assert self.engine.persistence is not None
        try:
            self.run(self.engine.persistence.saver.round())
            is_saved = True
        except StoreError:
            is_saved = False
        assert self.world.round() == is_saved

    @rule(number=numbers, default=st.sampled_from(NAMES), chosen=options, is_crash=st.booleans())
    def restart(self, number: int, default: str, chosen: StreamOptions, is_crash: bool) -> None:
        """Start again from what is stored, maybe with another checkpoint and other settings."""
        world = self.world
        # a store that fails when the service stops is not waited for: that would be real time
        with patch("service.engine.saving.GIVE_UP_S", 0.0):
            self.run(self.crashed() if is_crash else self.engine.stop())
        while not is_crash and world.round(everything=True) and world.is_unsaved:
            pass
        self.heal()
        world.banks["pumps"] = bank(number)
        world.default, world.options = default, chosen
        self.engine = self.made()
        self.run(self.engine.start())
        self.still()
        here = self.ids_here()
        assert len(here) == min(MAX_STREAMS, len(world.stored))
        world.start(here)

    @precondition(lambda self: self.memory is not None)
    @rule(calls=st.sets(st.sampled_from(["save", "load", "delete"])))
    def store_fails(self, calls: set[str]) -> None:
        """Let calls of the store fail from now on, or none."""
        assert self.memory is not None
        self.memory.failing = self.world.failing = calls

    @precondition(lambda self: self.memory is not None)
    @rule()
    def store_forgets(self) -> None:
        """Let the store lose everything."""
        assert self.memory is not None
        self.memory.held.clear()
        self.world.stored.clear()

    @invariant()
    def is_sound(self) -> None:
        """Streams, slots, alerts and numbers are as they should be."""
        if hasattr(self, "engine"):
            self.runner.run(check_sound(self.engine, self.world))


TestEngineMachine = EngineMachine.TestCase
# the same examples every time: what a longer, random run finds is for who runs it, not for others
TestEngineMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)
