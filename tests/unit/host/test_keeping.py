from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.checkpoint import Checkpoint
from service.host.keeping import Kept
from service.host.learning import is_stand_in, stand_in
from service.host.recording import Recording

NAMES = ["cpu_user_percent", "load_1m"]


class Place:
    """A data directory, what is kept in it, and what was told."""

    def __init__(self, path: Path) -> None:
        self.told: list[str] = []
        self.kept = Kept(path, "host", self.told.append)

    def learned(self, names: list[str], step_s: float | None = 1.0) -> Checkpoint:
        """Put a model there that counts as learned."""
        given = stand_in(names)
        training = msgspec.structs.replace(given.spec.training, source="a test")
        spec = msgspec.structs.replace(given.spec, training=training, step_s=step_s)
        return Checkpoint(
            spec=spec,
            weights=given.weights,
            reference_tail=given.reference_tail,
            residual_scale=given.residual_scale,
            validation_scores=given.validation_scores,
        ).save(self.kept.directory)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty data directory."""
    return Place(tmp_path)


def test_there_is_nothing_to_begin_with(place: Place) -> None:
    """Then there is no model, and nothing to tell of it."""
    assert not place.kept.fits(NAMES, 1.0)
    assert place.told == []


def test_a_model_of_the_same_metrics_fits(place: Place) -> None:
    """It is used as it is, whatever else is put there."""
    learned = place.learned(NAMES)
    assert place.kept.fits(NAMES, 1.0)
    with place.kept.standing_in(NAMES):
        assert Checkpoint.load(place.kept.directory).spec == learned.spec
    assert place.kept.fits(NAMES, 1.0)


def test_a_model_of_other_metrics_is_set_aside(place: Place) -> None:
    """What differs is named, and the old one is not lost."""
    gone = [f"disk_sdb_{number}" for number in range(6)]
    place.learned([*NAMES, *gone])
    assert not place.kept.fits([*NAMES, "disk_sdc_busy_percent"], 1.0)
    assert "disk_sdc_busy_percent new" in place.told[0]
    assert "disk_sdb_3 and 2 more gone" in place.told[0]
    aside = place.told[0].split("set aside in ")[1].split(";")[0]
    assert Checkpoint.load(Path(aside)).spec.metrics == [*NAMES, *gone]
    assert not place.kept.directory.exists()


def test_a_damaged_model_is_set_aside(place: Place) -> None:
    """This computer can be learned anew; nobody has to clean up first."""
    place.learned(NAMES)
    (place.kept.directory / "weights.safetensors").write_bytes(b"nothing")
    assert not place.kept.fits(NAMES, 1.0)
    assert "can't be used" in place.told[0]


def test_what_stands_in_is_taken_away_again(place: Place) -> None:
    """Whatever happens meanwhile."""

    def fail() -> None:
        with place.kept.standing_in(NAMES):
            assert is_stand_in(Checkpoint.load(place.kept.directory))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not place.kept.directory.exists()


def test_what_was_learned_stays(place: Place) -> None:
    """A model that took the place of what stood in for it."""
    with place.kept.standing_in(NAMES):
        learned = place.learned(NAMES)
    assert Checkpoint.load(place.kept.directory).spec == learned.spec


def test_a_stand_in_left_behind_is_no_model(place: Place) -> None:
    """As after a kill: it knows nothing, and is not worth a word."""
    stand_in(NAMES).save(place.kept.directory)
    assert not place.kept.fits(NAMES, 1.0)
    assert place.told == []
    assert not place.kept.directory.exists()


def test_an_empty_recording_is_not_written(place: Place) -> None:
    """It would take the place of one that is not."""
    recording = Recording(["a"], 2)
    place.kept.keep(recording)
    assert not place.kept.interrupted.exists()
    recording.add(0.0, np.array([1.0]))
    place.kept.keep(recording)
    assert place.kept.interrupted.exists()


@pytest.mark.parametrize(("step_s", "fits"), [(1.0, True), (1.001, True), (None, True), (2, False)])
def test_a_model_of_another_step_is_set_aside(
    place: Place, step_s: float | None, fits: bool
) -> None:
    """What is usual within a second is not what is usual within ten; who measured is close."""
    place.learned(NAMES, step_s)
    assert place.kept.fits(NAMES, 1.0) is fits
    assert fits or "a reading every 2 s, not 1 s" in place.told[0]


def test_no_model_that_was_set_aside_is_lost(place: Place) -> None:
    """Each has a place of its own."""
    for names in (["a"], ["b"]):
        place.learned(names)
        assert not place.kept.fits(NAMES, 1.0)
    places = [Path(told.split("set aside in ")[1].split(";")[0]) for told in place.told]
    assert [Checkpoint.load(one).spec.metrics for one in places] == [["a"], ["b"]]


def test_an_interrupted_recording_leaves_the_one_of_the_model(place: Place) -> None:
    """Until there is a model of it; what was missing is told then."""
    recording = Recording(["load_1m"], 2)
    recording.add(0.0, np.array([1.0]))
    place.kept.save(place.learned(["load_1m"]), recording)
    assert len(place.told) == 1
    before = place.kept.recording.read_text()
    recording.add(1.0, np.array([np.nan]))
    place.kept.keep(recording)
    assert place.kept.recording.read_text() == before
    place.kept.save(place.learned(["load_1m"]), recording)
    assert place.kept.recording.read_text() != before
    assert not place.kept.interrupted.exists()
    assert "1 value missing" in place.told[-1]
