from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.host import readings
from service.host.readings import Readings, Snapshot, left_out, snapshot

Times = namedtuple("Times", "user nice system idle iowait irq softirq steal guest")
Disk = namedtuple("Disk", "read_count write_count read_bytes write_bytes busy_time")
Card = namedtuple(
    "Card", "bytes_sent bytes_recv packets_sent packets_recv errin errout dropin dropout"
)
Memory = namedtuple("Memory", "total available")
Swap = namedtuple("Swap", "total sin sout")
Statistics = namedtuple("Statistics", "ctx_switches interrupts")
QUIET = Card(0, 0, 0, 0, 0, 0, 0, 0)


class Machine:
    """Stands in for psutil: a computer with two CPUs that shows what it is told to show."""

    def __init__(self) -> None:
        self.times = Times(100.0, 10.0, 50.0, 900.0, 20.0, 1.0, 2.0, 3.0, 40.0)
        self.disks: dict[str, Disk] | None = {"sda": Disk(5, 6, 700, 800, 900)}
        self.cards = {"lo": Card(9, 9, 9, 9, 9, 9, 9, 9), "eth0": QUIET}
        self.swap = Swap(1000, 4096, 8192)
        self.statistics = Statistics(1000, 2000)

    def cpu_times(self) -> Times:
        return self.times

    def cpu_stats(self) -> Statistics:
        return self.statistics

    def cpu_count(self) -> int:
        return 2

    def getloadavg(self) -> tuple[float, float, float]:
        return 0.5, 0.4, 0.3

    def pids(self) -> list[int]:
        return [1, 2, 3]

    def virtual_memory(self) -> Memory:
        return Memory(1000, 250)

    def swap_memory(self) -> Swap:
        return self.swap

    def disk_io_counters(self, **_: Any) -> dict[str, Disk] | None:
        return self.disks

    def net_io_counters(self, **_: Any) -> dict[str, Card]:
        return self.cards


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(readings, "psutil", machine)
    monkeypatch.setattr(readings, "_BLOCK_DEVICES", Path("no such directory"))
    return machine


def measured(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Give what two snapshots say of each metric."""
    found = Readings(before.names)
    found.vector(before)
    return dict(zip(found.names, found.vector(after).tolist(), strict=True))


def test_counters_become_rates_in_the_unit_of_the_name(machine: Machine) -> None:
    """CPU time in percent of all CPUs, bytes and operations a second, busy milliseconds in %."""
    before = snapshot(10.0)
    machine.times = machine.times._replace(user=101.0, nice=10.5, irq=1.1, iowait=20.2)
    machine.disks = {"sda": Disk(25, 6, 700 + 3_000_000, 800, 1900)}
    machine.cards["eth0"] = Card(200, 400, 2, 4, 1, 2, 3, 4)
    machine.statistics = Statistics(1200, 2600)
    machine.swap = machine.swap._replace(sout=8192 + 4096)
    found = measured(before, snapshot(12.0))
    assert found == pytest.approx(
        {
            "cpu_user_percent": 37.5,
            "cpu_system_percent": 2.5,
            "cpu_iowait_percent": 5.0,
            "cpu_steal_percent": 0.0,
            "load_1m": 0.5,
            "processes_count": 3.0,
            "context_switches_per_s": 100.0,
            "interrupts_per_s": 300.0,
            "memory_used_percent": 75.0,
            "swap_in_bytes_per_s": 0.0,
            "swap_out_bytes_per_s": 2048.0,
            "net_received_bytes_per_s": 200.0,
            "net_sent_bytes_per_s": 100.0,
            "net_received_packets_per_s": 2.0,
            "net_sent_packets_per_s": 1.0,
            "net_errors_per_s": 5.0,
            "disk_sda_read_bytes_per_s": 1_500_000.0,
            "disk_sda_write_bytes_per_s": 0.0,
            "disk_sda_reads_per_s": 10.0,
            "disk_sda_writes_per_s": 0.0,
            "disk_sda_busy_percent": 50.0,
        }
    )


def test_the_first_reading_has_no_rates(machine: Machine) -> None:
    """There is nothing before it; what stands as it is is known all the same."""
    now = snapshot(1.0)
    found = dict(zip(now.names, Readings(now.names).vector(now).tolist(), strict=True))
    assert found["load_1m"] == 0.5
    assert np.isnan(found["cpu_user_percent"])


def test_a_counter_that_began_anew_is_missing(machine: Machine) -> None:
    """It is neither negative nor 0; the reading after it is a rate again."""
    names = ["disk_sda_read_bytes_per_s", "disk_sda_writes_per_s"]
    found, before = Readings(names), snapshot(1.0)
    found.vector(before)
    machine.disks = {"sda": Disk(5, 8, 10, 800, 900)}
    first = found.vector(snapshot(2.0))
    assert np.isnan(first[0])
    assert first[1] == 2.0
    machine.disks = {"sda": Disk(5, 8, 30, 800, 900)}
    assert found.vector(snapshot(3.0)).tolist() == [20.0, 0.0]


def test_time_waiting_for_disks_may_slip_back(machine: Machine) -> None:
    """The kernel's own counter does so; that is no counter that began anew."""
    before = snapshot(1.0)
    machine.times = machine.times._replace(iowait=19.9, user=1.0)
    found = measured(before, snapshot(2.0))
    assert found["cpu_iowait_percent"] == 0.0
    assert np.isnan(found["cpu_user_percent"])


def test_a_disk_that_is_taken_out_is_missing(machine: Machine) -> None:
    """Its metrics stay in their columns, as missing."""
    before = snapshot(1.0)
    machine.disks = {}
    found = measured(before, snapshot(2.0))
    assert np.isnan(found["disk_sda_busy_percent"])
    assert found["cpu_user_percent"] == 0.0


def test_readings_at_the_same_moment_have_no_rates(machine: Machine) -> None:
    """Nothing is divided by no time."""
    assert np.isnan(measured(snapshot(1.0), snapshot(1.0))["interrupts_per_s"])


def test_what_a_container_lacks_is_left_out_and_told(machine: Machine) -> None:
    """Without disks, network and swap there are no such metrics, and a line says so for each."""
    machine.disks, machine.cards = None, {"lo": QUIET}
    machine.swap = Swap(0, 0, 0)
    names = snapshot(1.0).names
    assert not [name for name in names if name.startswith(("disk_", "net_", "swap_"))]
    assert [line.split(":")[0] for line in left_out(names)] == ["disks", "network", "swap"]


@pytest.mark.parametrize("error", [NotImplementedError, PermissionError])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("virtual_memory", "memory"),
        ("getloadavg", "load"),
        ("pids", "processes"),
        ("cpu_stats", "context switches and interrupts"),
        ("swap_memory", "swap"),
        ("disk_io_counters", "disks"),
        ("net_io_counters", "network"),
    ],
)
def test_what_a_system_does_not_tell_is_left_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, asked: str, told: str, error: type[Exception]
) -> None:
    """Other systems lack a counter, or keep it from who asks; the rest is measured."""

    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(machine, asked, fail)
    names = snapshot(1.0).names
    assert [line.split(":")[0] for line in left_out(names)] == [told]
    assert "cpu_user_percent" in names


def test_nothing_left_out_is_not_told(machine: Machine) -> None:
    """Where everything is there, nothing is said."""
    assert left_out(snapshot(1.0).names) == []


def test_what_is_no_disk_is_not_counted(machine: Machine) -> None:
    """Loop devices, memory and what lies on top of disks would count twice or nothing."""
    one = Disk(1, 1, 1, 1, 1)
    machine.disks = dict.fromkeys(("loop0", "zram0", "dm-0", "md1", "sr0", "nvme0n1"), one)
    disks = [name for name in snapshot(1.0).names if name.startswith("disk_")]
    assert len(disks) == 5
    assert all(name.startswith("disk_nvme0n1_") for name in disks)


def test_partitions_are_no_disks(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Linux lists disks, and not their partitions, under its block devices."""
    (tmp_path / "sda").mkdir()
    (tmp_path / "cciss!c0").mkdir()
    monkeypatch.setattr(readings, "_BLOCK_DEVICES", tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    assert [readings.is_disk(name) for name in ("sda", "sda1", "cciss/c0")] == [True, False, True]


def test_many_disks_are_summed_up(machine: Machine) -> None:
    """Five disks are five columns, not twenty-five; busy is the mean of them."""
    machine.disks = {f"sd{letter}": Disk(0, 0, 0, 0, 0) for letter in "abcde"}
    before = snapshot(1.0)
    machine.disks = {name: Disk(1, 0, 10, 0, 500) for name in machine.disks}
    found = measured(before, snapshot(2.0))
    assert found["disk_all_read_bytes_per_s"] == 50.0
    assert found["disk_all_busy_percent"] == pytest.approx(50.0)
    assert sum(name.startswith("disk_") for name in found) == 5


def test_a_bridge_does_not_count_the_same_traffic_twice(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are cards of metal, only they are counted."""
    monkeypatch.setattr(readings, "is_card", lambda name: name == "eth0")
    machine.cards["docker0"] = QUIET
    before = snapshot(1.0)
    machine.cards = dict.fromkeys(("eth0", "docker0"), Card(10, 0, 0, 0, 0, 0, 0, 0))
    assert measured(before, snapshot(2.0))["net_sent_bytes_per_s"] == 10.0


def test_this_computer_can_be_read() -> None:
    """Whatever it has, two readings give finite numbers that are not negative."""
    first, second = snapshot(0.0), snapshot(1.0)
    found = measured(first, second)
    assert {"cpu_user_percent", "load_1m", "memory_used_percent"} <= found.keys()
    assert all(value >= 0 for value in found.values())
