import pytest

from service.host.metrics import PLAIN, Unit, disk_metric, in_order, metric_of


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        (Unit.PERCENT, 93.2, "93 %"),
        (Unit.PERCENT, 0.42, "0.42 %"),
        (Unit.PERCENT, 0.0, "0 %"),
        (Unit.BYTES_PER_S, 180e6, "180 MB/s"),
        (Unit.BYTES_PER_S, 1_250.0, "1.2 kB/s"),
        (Unit.BYTES_PER_S, 999.9, "1.0 kB/s"),
        (Unit.BYTES_PER_S, 12.0, "12 B/s"),
        (Unit.BYTES_PER_S, 2.5e18, "2500 PB/s"),
        (Unit.PER_S, 3400.0, "3,400/s"),
        (Unit.COUNT, 2.34, "2.3"),
    ],
)
def test_values_are_shown_as_a_person_writes_them(unit: Unit, value: float, shown: str) -> None:
    """Units stand behind the number, bytes have their prefix."""
    assert unit.shown(value) == shown


def test_names_tell_their_unit() -> None:
    """Each name ends with its unit, so that nobody has to look it up."""
    ends = {Unit.PERCENT: "_percent", Unit.BYTES_PER_S: "_bytes_per_s", Unit.PER_S: "_per_s"}
    disks = [metric_of(disk_metric("sda", what)) for what in ("busy_percent", "reads_per_s")]
    for metric in (*PLAIN, *disks):
        assert metric.name.endswith(ends.get(metric.unit, ("_1m", "_count"))), metric.name
        assert metric.least_span > 0


def test_metrics_of_disks_are_found_by_name() -> None:
    """A disk's name may hold underscores; many disks are told as all."""
    written = metric_of("disk_nvme0n1_x_write_bytes_per_s")
    assert (written.told, written.unit) == ("disk nvme0n1_x: written", Unit.BYTES_PER_S)
    assert metric_of(disk_metric("all", "busy_percent")).told == "all disks: busy"


def test_an_unknown_metric_is_told_by_its_name() -> None:
    """A service elsewhere may name anything."""
    unknown = metric_of("disk_sda_smell")
    assert (unknown.told, unknown.unit, unknown.least_span) == ("disk_sda_smell", Unit.COUNT, 0)


def test_the_order_of_columns_does_not_depend_on_that_of_reading() -> None:
    """What there is once comes first, disks behind it by name."""
    names = ["disk_b_reads_per_s", "load_1m", "disk_a_reads_per_s", "cpu_user_percent"]
    ordered = ["cpu_user_percent", "load_1m", "disk_a_reads_per_s", "disk_b_reads_per_s"]
    assert in_order(names) == in_order(reversed(names)) == ordered
