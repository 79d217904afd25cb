"""Settings: the only reader of the environment."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.bank import Start
from models.spec import Policy
from service.engine.alerts import AlertPolicy

Positive = Annotated[int, Field(gt=0)]
Patterns = Annotated[tuple[str, ...], NoDecode]


def default_data_dir() -> Path:
    """Find the user's data directory: XDG's, or ~/.local/share."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "stepwatch"


class Settings(BaseSettings):
    """Everything that can be set, as `STEPWATCH_<NAME>`; the command line goes above it.

    Attributes:
        data_dir: Holds checkpoints and the embedded Valkey.
        redis_url: A Redis or Valkey to use; None starts the embedded one. Also `REDIS_URL`.
        window, z, sigma_floor, policy, min_scores: Override every checkpoint's threshold.
        export: Patterns of streams that always have Prometheus series of their own.
    """

    model_config = SettingsConfigDict(
        env_prefix="STEPWATCH_",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
    )

    data_dir: Path = Field(default_factory=default_data_dir)
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    default_model: str | None = None
    allowed_origins: Patterns = ()

    redis_url: str | None = Field(
        default=None, validation_alias=AliasChoices("STEPWATCH_REDIS_URL", "REDIS_URL")
    )
    redis_prefix: str = "sw"
    redis_scores: Literal["each", "anomalies", "off"] = "each"
    redis_maxlen: Positive = 1_000_000

    start: Start = "own"
    prime: bool = True
    window: Annotated[int, Field(ge=2)] | None = None
    z: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    sigma_floor: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    policy: Policy | None = None
    min_scores: Annotated[int, Field(ge=2)] | None = None

    alert_open_after: Positive = 3
    alert_resolve_after: Positive = 10
    alert_cooldown: Annotated[int, Field(ge=0)] = 60

    max_streams: Positive = 100_000
    max_rows: Positive = 10_000
    max_body_bytes: Positive = 16 * 1024 * 1024
    max_waiting: Positive = 100_000
    sink_rows: Positive = 200_000
    flush_s: Annotated[float, Field(gt=0)] = 5.0
    send_timeout_s: Annotated[float, Field(gt=0)] = 10.0

    export: Patterns = ()
    worst: Annotated[int, Field(ge=0)] = 200

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, given: str | None) -> str | None:
        """Say so at the start, and not by a sink that never comes up."""
        if given is not None and not given.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("begin with redis://, rediss:// or unix://")
        return given

    @field_validator("allowed_origins", "export", mode="before")
    @classmethod
    def _split_at_commas(cls, given: object) -> object:
        """The environment has no lists: `plant-a/*,plant-b/*` stands for two patterns."""
        if not isinstance(given, str):
            return given
        return tuple(part for piece in given.split(",") if (part := piece.strip()))

    @property
    def models_dir(self) -> Path:
        """Where checkpoints lie, a directory each."""
        return self.data_dir / "models"

    @property
    def alert_policy(self) -> AlertPolicy:
        """When alerts open and resolve."""
        return AlertPolicy(
            open_after=self.alert_open_after,
            resolve_after=self.alert_resolve_after,
            cooldown=self.alert_cooldown,
        )

    @property
    def threshold_overrides(self) -> dict[str, Any]:
        """What is set of the threshold, by its name in the spec."""
        names = ("window", "z", "sigma_floor", "policy", "min_scores")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
