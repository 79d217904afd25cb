"""Settings: the only reader of the environment and of the settings file."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from models.options import Start
from models.spec import Policy
from service.engine.alerts import AlertPolicy
from service.setting_types import (
    AboveZero,
    FalseAlarms,
    HttpUrl,
    Patterns,
    Positive,
    Secret,
    StreamPattern,
)
from service.settings_file import SettingsFileError, levels_apart, parsed, told, unknown

PREFIX: Final = "STEPWATCH_"
FILE_NAME: Final = "stepwatch.toml"
"""Name of the settings file in the data directory."""


def default_data_dir() -> Path:
    """Find the user's data directory: XDG's, or ~/.local/share."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "stepwatch"


class Settings(BaseSettings):
    """Everything that can be set: command line over `STEPWATCH_<NAME>` over file over default.

    Attributes:
        config: The settings file; None: `stepwatch.toml` in the data directory, if it is there.
            Once read, the file that was.
        streams: What new streams get by their names; the first pattern that matches counts.
        data_dir: Holds checkpoints and the embedded Valkey.
        redis_url: A Redis or Valkey to use; None starts the embedded one. Also `REDIS_URL`.
        redis_scores: Whether an entry holds one verdict or many (`packed`), or which have one.
        alertmanager_url, alertmanager_resend_s: An Alertmanager that takes alerts, and after how
            many seconds it is told again what is open.
        webhook_url, webhook_secret: Takes alerts by POST, signed where there is a secret.
        public_url: Where people reach this service; links in alerts begin with it.
        window, z, false_alarms_per_day, sigma_floor, policy, min_scores: Override thresholds.
        store: Where snapshots are kept: with the sinks' Redis, in a file of the data directory,
            or not at all.
        snapshot_every_s, snapshot_recent_every_s, snapshot_bytes_per_s: How often a stream that
            changed is saved, how often its last observations are too, and how much at most.
        snapshot_stop_s: Seconds for saving everything on stopping.
        restore_wait_s: Seconds a store that can't be read is waited for at the start.
        evict_after_s: Seconds a stream must be idle to be let go when `max_streams` is reached.
        export: Patterns of streams that always have Prometheus series of their own.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    config: Path | None = None
    streams: Annotated[tuple[StreamPattern, ...], NoDecode] = ()

    data_dir: Path = Field(default_factory=default_data_dir)
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    default_model: str | None = None
    allowed_origins: Patterns = ()

    redis_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("STEPWATCH_REDIS_URL", "REDIS_URL"),
        repr=False,  # a URL may hold a password
    )
    redis_prefix: str = "sw"
    redis_scores: Literal["each", "packed", "anomalies", "off"] = "each"
    redis_maxlen: Positive = 1_000_000
    redis_timeout_s: AboveZero = 1.0

    alertmanager_url: HttpUrl | None = Field(default=None, repr=False)
    alertmanager_resend_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    webhook_url: HttpUrl | None = Field(default=None, repr=False)
    webhook_secret: Secret | None = None
    public_url: HttpUrl | None = None

    start: Start = "own"
    prime: bool = True
    window: Annotated[int, Field(ge=2)] | None = None
    z: AboveZero | None = None
    false_alarms_per_day: FalseAlarms = None
    sigma_floor: AboveZero | None = None
    policy: Policy | None = None
    min_scores: Annotated[int, Field(ge=2)] | None = None

    alert_open_after: Positive = 3
    alert_resolve_after: Positive = 10
    alert_cooldown: Annotated[int, Field(ge=0)] = 60

    store: Literal["redis", "file", "off"] = "redis"
    snapshot_every_s: AboveZero = 5.0
    snapshot_recent_every_s: AboveZero = 300.0
    snapshot_bytes_per_s: AboveZero = 8e6
    snapshot_stop_s: AboveZero = 60.0
    restore_wait_s: Annotated[float, Field(ge=0)] = 30.0
    evict_after_s: AboveZero = 3600.0

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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say what goes above what.

        Raises:
            SettingsFileError: If the settings file is wrong.
        """
        given, around = init_settings(), env_settings()
        layers = given, around, file_values({**around, **given})
        sources = (InitSettingsSource(settings_cls, one) for one in levels_apart(*layers))
        return tuple(sources)

    @field_validator("streams", mode="before")
    @classmethod
    def _is_a_list(cls, given: object) -> object:
        """One pair of brackets is easily forgotten, and what pydantic says of it helps nobody."""
        if isinstance(given, dict | str):
            raise ValueError("write [[streams]] above each pattern in the settings file")
        return given

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
        names = ("window", "z", "false_alarms_per_day", "sigma_floor", "policy", "min_scores")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def mistyped() -> list[tuple[str, str]]:
    """Find what the environment sets that is no setting, each with what may be meant."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    names = (name for name in os.environ if name.startswith(PREFIX) and name not in known)
    found = ((name, get_close_matches(name, known, 1)) for name in sorted(names))
    return [(name, f"; is {close[0]} meant?") for name, close in found if close]


class _FileAlone(Settings):
    """The settings file by itself, so that what is wrong with it is told even if unused."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,
        **named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def file_values(above: dict[str, Any]) -> dict[str, Any]:
    """Find the settings file by what goes above it; give what it says and where it is.

    Raises:
        SettingsFileError: If it is wrong.
    """
    named = above.get("config")
    path = Path(named or Path(above.get("data_dir") or default_data_dir()) / FILE_NAME)
    if named is None and not path.is_file():
        return {}
    values = parsed(path)
    known = set(Settings.model_fields) - {"config"}
    problems = [unknown(key, (), known) for key in values if key == "config" or key[:1] == "_"]
    try:
        _FileAlone(**{key: value for key, value in values.items() if key[:1] != "_"})
    except ValidationError as error:
        for one in error.errors():
            of_pattern = one["loc"][0] == "streams"
            there = set(StreamPattern.model_fields) if of_pattern else known
            problems.append(told(one["type"], one["loc"], one["msg"], there))
    if problems:
        raise SettingsFileError(path, problems)
    return {**values, "config": path}
