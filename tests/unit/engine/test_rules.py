import pytest

from models.options import StreamOptions
from service.engine.directory import Directory
from service.engine.errors import UnknownModel
from service.engine.rules import StreamRule, covered, first_match
from tests.engines import columns, make_engine, make_model, running, sent

EVERYBODYS = StreamOptions(start="reference")
STRICT = StreamOptions(z=3.0, start="reference")


def rule(pattern: str, model: str | None = None, options: StreamOptions = STRICT) -> StreamRule:
    return StreamRule(pattern, model, options)


def directory_of(*rules: StreamRule, default: str | None = "pumps") -> Directory:
    """Make a directory of the models pumps and fans."""
    models = {name: make_model(name) for name in ("pumps", "fans")}
    return Directory(models, default_model=default, options=EVERYBODYS, max_streams=9, rules=rules)


@pytest.mark.parametrize(
    ("pattern", "stream_id", "does_match"),
    [
        ("plant-a/*", "plant-a/pump-7", True),
        ("plant-a/*", "plant-a/hall/pump-7", True),
        ("plant-a/*", "plant-ab/pump-7", False),
        ("plant-a/*", "Plant-A/pump-7", False),
        ("*/pump-?", "plant-a/pump-7", True),
        ("*/pump-?", "plant-a/pump-77", False),
        ("pump-[12]", "pump-2", True),
        ("pump-[12]", "pump-3", False),
        ("pump", "pump-1", False),
        ("a.b", "a+b", False),
        ("*", "x" * 200, True),
    ],
)
def test_patterns_are_globs(pattern: str, stream_id: str, does_match: bool) -> None:
    """Of the whole id, in upper and lower case as written, a star across slashes too."""
    assert (first_match([rule(pattern)], stream_id) is not None) is does_match


def test_the_first_rule_that_matches_counts() -> None:
    """The order of the file decides, not how narrow a pattern is."""
    rules = [rule("a/b"), rule("a/*"), rule("*")]
    found = [first_match(rules, stream_id) for stream_id in ("a/b", "a/c", "c")]
    assert found == rules
    assert first_match([*reversed(rules)], "a/b") is rules[2]


def test_a_rule_gives_model_and_options() -> None:
    """A stream of a pattern gets what the rule says, any other what everybody gets."""
    directory = directory_of(rule("f/*", "fans"))
    assert directory.defaults_of("f/1") == (directory.models["fans"], STRICT)
    assert directory.defaults_of("g/1") == (directory.models["pumps"], EVERYBODYS)


def test_a_rule_without_a_model_takes_the_default() -> None:
    """It sets options only; without a default model its streams are still refused."""
    directory = directory_of(rule("f/*"))
    assert directory.defaults_of("f/1") == (directory.default, STRICT)
    assert directory_of(rule("f/*"), default=None).defaults_of("f/1") == (None, STRICT)


def test_a_stream_that_is_made_by_hand_gets_the_rules_model() -> None:
    """Who names no model means the rule's; who names one wins."""
    directory = directory_of(rule("f/*", "fans"))
    made = directory.create("f/1", {}, 0)
    named = directory.create("f/2", {"model": "pumps"}, 0)
    assert (made.model.name, named.model.name) == ("fans", "pumps")


async def test_an_observation_makes_a_stream_by_its_rule() -> None:
    """Streams of one request go each to the model of its own rule, even without a default."""
    engine = make_engine(directory_of(rule("f/*", "fans"), rule("p/1", "pumps"), default=None))
    async with running(engine):
        answer = await sent(engine, columns(["f/1", "p/1", "x"], [[0.5, 0.5, 0.5]] * 3))
    assert {place: error.type for place, error in answer.errors.items()} == {2: "no-model"}
    made = {stream.stream_id: (stream.model.name, stream.options) for stream in engine.directory}
    assert made == {"f/1": ("fans", STRICT), "p/1": ("pumps", STRICT)}


def test_a_rule_names_a_model_that_is_there() -> None:
    """Better not to start than to refuse streams later; the pattern is named."""
    with pytest.raises(UnknownModel, match=r"pattern 'f/\*': there is no model 'fan'.*fans, pumps"):
        directory_of(rule("f/*", "fan"))


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["*", "a"], [(1, "*")]),
        (["a/*", "*", "b", "a/*"], [(2, "*"), (3, "a/*")]),
        (["a/*", "a/b/*", "a/[xy]?"], [(1, "a/*"), (2, "a/*")]),
        (["a[12]", "a[12]"], [(1, "a[12]")]),
        (["a/b", "a/*", "*"], []),
        (["a?", "a*"], []),
        (["[*]", "*"], []),
        (["a?", "ab"], []),
    ],
)
def test_patterns_behind_one_that_takes_all_are_found(
    patterns: list[str], found: list[tuple[int, str]]
) -> None:
    """Only where it is sure: what is not plain is not complained of."""
    assert list(covered(patterns)) == found
