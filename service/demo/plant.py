"""A simulated pumping plant: metrics that follow one demand, each with its lag and its noise."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np

from models.blocks import Float64


class Metric(NamedTuple):
    """A metric of a pump, all numbers in `unit`.

    Attributes:
        noise: Standard deviation of the measurement.
        low: Lower end of the range that normal running covers.
        high: Upper end of it.
    """

    name: str
    unit: str
    noise: float
    low: float
    high: float


METRICS: Final = (
    Metric("speed_rpm", "rpm", 8.0, 870.0, 1470.0),
    Metric("flow_m3h", "m³/h", 1.5, 161.0, 272.0),
    Metric("pressure_bar", "bar", 0.04, 2.80, 5.70),
    Metric("power_kw", "kW", 0.55, 12.0, 52.0),
    Metric("current_a", "A", 0.85, 30.0, 91.0),
    Metric("vibration_mm_s", "mm/s", 0.018, 1.61, 2.95),
    Metric("bearing_temp_c", "°C", 0.3, 35.0, 53.0),
    Metric("motor_temp_c", "°C", 0.5, 41.0, 72.0),
)
"""What every pump reports, in the order of the columns."""
SEASON_STEPS: Final = 240
"""Steps of one season: a day of demand, compressed."""
PLANT_SEED: Final = 7
"""What makes this plant's pumps the individuals they are, in training and in the demo alike."""
_NOISE: Final = np.array([metric.noise for metric in METRICS])
_SETTLING_STEPS: Final = 2 * SEASON_STEPS
_WANDER_MEMORY: Final = 0.88
_WANDER_STEP: Final = 0.0032
_SPEED_LAG: Final = 0.35
_THERMAL_LAG: Final = 1 / 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Characteristics:
    """What tells one pump from its neighbours; gains are 1 for the pump of the data sheet.

    Attributes:
        phase: Where in the season its demand begins, radians.
        imbalance: Vibration at full speed, mm/s.
    """

    phase: float
    flow_gain: float
    head_gain: float
    power_gain: float
    imbalance: float
    ambient_c: float

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Self:
        """Draw a pump within the tolerances of a workshop, about one percent."""
        gains = 1 + 0.008 * random.standard_normal(3)
        return cls(
            phase=random.uniform(0, 2 * math.pi),
            flow_gain=gains[0],
            head_gain=gains[1],
            power_gain=gains[2],
            imbalance=random.normal(2.1, 0.015),
            ambient_c=random.normal(27.0, 0.15),
        )


class Pump:
    """One pump with a speed drive; a step is one reading of all its metrics.

    Args:
        characteristics: What it is like.
        random: Where its noise comes from; the pump is its only user.
    """

    def __init__(self, characteristics: Characteristics, random: np.random.Generator) -> None:
        self._is = characteristics
        self._random = random
        self._clock = 0
        self._wander = [0.0, 0.0]
        self._speed = 0.8
        self._bearing_c = 45.0
        self._motor_c = 60.0
        for _ in range(_SETTLING_STEPS):
            self.step()

    def step(self) -> Float64:
        """Move on by one step and read every metric, raw units, `[F]`."""
        noise = self._random.standard_normal(1 + len(METRICS))
        demand = self._demand(float(noise[0]))
        self._speed += _SPEED_LAG * (0.45 + 0.55 * demand - self._speed)
        speed, pump = self._speed, self._is
        power_kw = pump.power_gain * (2.0 + 52.0 * speed**3)
        self._bearing_c += _THERMAL_LAG * (pump.ambient_c + 0.55 * power_kw - self._bearing_c)
        self._motor_c += _THERMAL_LAG * (pump.ambient_c + 0.95 * power_kw - self._motor_c)
        truth = (
            1480.0 * speed,
            pump.flow_gain * 275.0 * speed,
            1.2 + pump.head_gain * 4.6 * speed**2,
            power_kw,
            math.hypot(22.0, 1.68 * power_kw),
            0.9 + pump.imbalance * speed**2,
            self._bearing_c,
            self._motor_c,
        )
        reading: Float64 = np.array(truth) + _NOISE * noise[1:]
        return reading

    def _demand(self, innovation: float) -> float:
        """Season plus a wander smooth enough that a step of it hides nothing; about 0.2 to 1."""
        self._clock += 1
        # twice the same filter: the next step follows from the last two, as in a real pipe network
        self._wander[0] += _WANDER_STEP * innovation - (1 - _WANDER_MEMORY) * self._wander[0]
        self._wander[1] += self._wander[0] - (1 - _WANDER_MEMORY) * self._wander[1]
        angle = 2 * math.pi * self._clock / SEASON_STEPS + self._is.phase
        return 0.62 + 0.27 * math.sin(angle) + 0.05 * math.sin(3 * angle + 2.6) + self._wander[1]


class Plant:
    """The pumps of one plant, all read in the same step.

    Args:
        pumps: How many; two plants of one size have the same pumps.
        seed: Seed of demand and noise: another seed is another day.
    """

    def __init__(self, pumps: int, seed: int) -> None:
        individuals = np.random.default_rng(PLANT_SEED)
        days = np.random.default_rng(seed).spawn(pumps)
        self.pumps: Final = {
            f"plant-a/pump-{number}": Pump(Characteristics.drawn(individuals), random)
            for number, random in enumerate(days, start=1)
        }

    @property
    def stream_ids(self) -> list[str]:
        """Name the pumps as the streams they are sent as."""
        return list(self.pumps)

    def step(self) -> dict[str, Float64]:
        """Read every pump once: stream id -> raw values `[F]`."""
        return {stream_id: pump.step() for stream_id, pump in self.pumps.items()}

    def normal(self, steps: int) -> Float64:
        """Record normal running, `steps` of each pump end to end, `[pumps * steps, F]`."""
        return np.array([pump.step() for pump in self.pumps.values() for _ in range(steps)])
