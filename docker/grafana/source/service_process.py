"""What the process takes of its machine."""

from typing import Final

from boards import SERVICE, Section
from frames import GREEN, RED, Frame, Query
from panels import lines, shares
from service_queries import RATE
from table_panels import Column, rows

_CPU = shares(
    Frame(
        title="CPU",
        about="Cores in use. The service scores on one: near 1, latency and queues grow; give "
        "some of the streams to a second instance.",
        width=6,
        unit="percentunit",
        steps=((None, GREEN), (0.9, RED)),
    ),
    Query(f"sum by (instance) (rate(process_cpu_seconds_total{RATE}))", "{{instance}}"),
)

_MEMORY = lines(
    Frame(
        title="Memory",
        about="Resident bytes. It grows with the number of streams and with queues that fill, and "
        "does not shrink much after. Growing while neither does: a leak; please report it.",
        width=6,
        unit="bytes",
    ),
    Query(f"sum by (instance) (process_resident_memory_bytes{{{SERVICE}}})", "{{instance}}"),
).min(0)

_GARBAGE = lines(
    Frame(
        title="Garbage collections",
        about="Collections a second by generation. Generation 2 often: many objects are kept for "
        "long, and each such pause shows in p99.",
        width=6,
        unit="ops",
    ),
    Query(
        f"sum by (generation) (rate(python_gc_collections_total{RATE}))",
        "generation {{generation}}",
    ),
)

_FILES = shares(
    Frame(
        title="Open files",
        about="Open file descriptors against what the system allows: each connection is one. "
        "Near 100 %: new connections fail; raise the limit (ulimit -n), or find who does not "
        "close theirs.",
        width=6,
        unit="percentunit",
        steps=((None, GREEN), (0.8, RED)),
    ),
    Query(
        f"max by (instance) (process_open_fds{{{SERVICE}}} / process_max_fds{{{SERVICE}}})",
        "{{instance}}",
    ),
)

_BUILD = rows(
    Frame(
        title="What runs",
        about="Version, Python and how long each instance has been up. Different versions: a "
        "rollout is under way or got stuck. Up for minutes only, again and again: it crashes; "
        "look at its log.",
        width=24,
        height=4,
    ),
    [
        f"(time() - process_start_time_seconds{{{SERVICE}}}) "
        f"* on (instance) group_left (version) stepwatch_build_info{{{SERVICE}}} "
        "* on (instance) group_left (python) "
        f'label_replace(python_info{{{SERVICE}}}, "python", "$1", "version", "(.+)")'
    ],
    [
        Column("instance", "Instance"),
        Column("version", "Version"),
        Column("python", "Python"),
        Column("Value", "Up for", unit="s"),
    ],
)

PROCESS: Final = Section("The process", [_CPU, _MEMORY, _GARBAGE, _FILES, _BUILD])
