"""JSON as text, written by hand: what is no JSON, and what parsers disagree on, is in it too."""

from random import Random
from typing import Final

START_S: Final = 1_763_762_400
KNOWN: Final = tuple(f"plant/known-{number}" for number in range(12))
"""Streams that are there, with a past, before the first frame comes."""
METRICS: Final = ("m0", "m1", "m2")
_DEPTHS: Final = (2, 30, 400, 1200, 30_000)

NUMBERS: Final = (
    "NaN", "Infinity", "-Infinity", "nan", "inf", "1e400", "-1e400", "1e-400", "1e301", "1e300",
    "1e38", "-0", "-0.0", "1.", "01", "+1", ".5", "0x10", "1_000", "-", "1e", "1e+", "0.1e+5",
    "9" * 19, "9" * 20, "9" * 21, "-" + "9" * 25, "9" * 310, "9" * 5000, "0." + "3" * 3000,
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "5e-324",
    "1.7976931348623157e308", "1e99999999999999999999", "1763762400000",
)  # fmt: skip
TEXTS: Final = (
    '""', '" "', '"1.5"', '"NaN"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\x41"',
    '"a\nb"',
    '"é"', '"\u2028"', '"😀"', '"\\ud83d\\ude00"', '"/a"', '"a/"', '"a//b"', '"a/reset"', '".."',
    '"plant/known-1"', '"plant/known-1/observations"', '"plant\\/known-2"', '"' + "x" * 200 + '"',
    '"' + "x" * 201 + '"', '"' + "x" * 20_000 + '"', '"' + "\\u00e9" * 300 + '"', '"open', "'a'",
)  # fmt: skip
TIMES: Final = (
    '"2025-11-21T22:00:00Z"', '"2025-11-21t22:00:00z"', '"2025-11-21T22:00:00"', '"yesterday"',
    '"2025-11-21T22:00:00.123456789+05:30"', '"2025-11-21 22:00:60Z"', '"2025-11-21T24:00:00Z"',
    '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2025-W47-5T22:00:00Z"',
    '"20251121T220000Z"', '"2025-11-21T22:00:00+99:99"', '"\uff12025-11-21T22:00:00Z"',
    '"2025-11-21\\ud80022:00:00Z"', '"2025-11-21ß22:00:00Z"', '"2025-02-30T00:00:00Z"',
    '"1763762400"', "-62135596800", "253402300800", "-1e308", "7258118400", "7258118401",
)  # fmt: skip
OTHERS: Final = ("true", "false", "null", "[]", "{}", "[[1]]", '{"a": 1}', "None", "undefined", "")
KEYS: Final = (
    "values", "stream_id", "timestamp", "seq", "observations", "Values", "value", "", "\\ud800",
    "\\u0076alues", "m0", "m3", "__proto__", "k" * 5000,
)  # fmt: skip


def row(random: Random, number: int, oddness: float) -> str:
    """Write an observation; with a chance of `oddness` each of its parts is something odd."""
    pairs = [
        ("values", _values(random, oddness)),
        ("stream_id", _odd(random) if random.random() < oddness else f'"{_stream(random)}"'),
    ]
    if random.random() < 0.8:
        pairs.append(("timestamp", _time(random, number, oddness)))
    if random.random() < 0.5:
        pairs.append(("seq", _odd(random) if random.random() < oddness else str(number)))
    if random.random() < oddness:
        pairs.append((random.choice(KEYS), _odd(random)))
    if random.random() < oddness:
        pairs.append(random.choice(pairs))
    random.shuffle(pairs)
    return "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"


def body(random: Random, number: int, oddness: float) -> str:
    """Write the body of a request: one observation, or many under `observations`."""
    if random.random() < 0.4:
        return row(random, number, oddness)
    rows = _rows(random, number, oddness)
    beside = f'"{random.choice(KEYS)}": {_odd(random)}, ' if random.random() < oddness else ""
    return f'{{{beside}"observations": [{", ".join(rows)}]}}'


def text_frame(random: Random, number: int, oddness: float) -> str:
    """Write a frame of a WebSocket: one observation, or an array of them."""
    if random.random() < 0.4:
        return body(random, number, oddness)
    return f"[{', '.join(_rows(random, number, oddness))}]"


def lines(random: Random, number: int, oddness: float) -> str:
    """Write NDJSON, with blank lines and ends of lines of all kinds."""
    end = random.choice(
        ("\n", "\n", "\n", "\r\n", "\n\n \t\n", "\n\ufeff", "\r", "\x0b\n", "\u2028")
    )
    return end.join(_rows(random, number, oddness)) + random.choice(("", end))


def _rows(random: Random, number: int, oddness: float) -> list[str]:
    count = random.choice((0, 1, 2, 3, 5))
    found = [row(random, number + at, oddness / 2) for at in range(count)]
    if random.random() < oddness:
        found.insert(random.randrange(count + 1), _odd(random))
    return found


def _stream(random: Random) -> str:
    return random.choice(KNOWN) if random.random() < 0.9 else f"new-{random.randrange(40)}"


def _time(random: Random, number: int, oddness: float) -> str:
    if random.random() < oddness:
        return random.choice(TIMES)
    return str(START_S + 60 * number)


def _values(random: Random, oddness: float) -> str:
    if random.random() < oddness / 2:
        return _odd(random)
    found = [f"{random.random():.3f}" for _ in METRICS]
    if random.random() < oddness:
        found[random.randrange(3)] = _odd(random)
    if random.random() < oddness / 2:
        found.append("0.5")
    if random.random() < 0.5:
        return f"[{', '.join(found)}]"
    names = [*METRICS, random.choice(KEYS)]
    if random.random() < oddness:
        random.shuffle(names)
    return "{" + ", ".join(f'"{key}": {one}' for key, one in zip(names, found, strict=False)) + "}"


def _odd(random: Random) -> str:
    """Write a value that is out of place, or no JSON at all."""
    if random.random() < 0.03:
        depth = random.choice(_DEPTHS)
        opened, closed = random.choice((("[", "]"), ('{"a":', "}"), ("[", ""), ('[{"a":', "}]")))
        return opened * depth + "1" + closed * depth
    return random.choice(random.choice((NUMBERS, NUMBERS, TEXTS, TIMES, OTHERS)))
