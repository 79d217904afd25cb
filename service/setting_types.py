"""What settings are made of: kinds of values, and what a pattern of streams may say."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo
from pydantic_settings import NoDecode

from models.options import Start
from models.spec import Policy
from service.engine.stream_options import BOTH_LEVELS, LEAST_FALSE_ALARMS
from service.sinks.http_address import address_of
from service.sinks.webhook import signing_key

Positive = Annotated[int, Field(gt=0)]
AboveZero = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Patterns = Annotated[tuple[str, ...], NoDecode]


def _not_both(given: float | None, info: ValidationInfo) -> float | None:
    if given is not None and info.data.get("z") is not None:
        raise ValueError(BOTH_LEVELS)
    return given


_Asked = Field(ge=LEAST_FALSE_ALARMS, allow_inf_nan=False)
FalseAlarms = Annotated[float | None, _Asked, AfterValidator(_not_both)]
"""False alarms per day, behind a `z`."""


def _is_http(given: str) -> str:
    address_of(given)
    return given


HttpUrl = Annotated[str, AfterValidator(_is_http)]
"""Kept as it was given, which pydantic's own kind is not; it may hold a password."""


def _signs(given: SecretStr) -> SecretStr:
    """Say so at the start, and not when the first alert is to be sent."""
    for one in given.get_secret_value().split() or [""]:
        signing_key(one)
    return given


Secret = Annotated[SecretStr, AfterValidator(_signs)]


class StreamPattern(BaseModel):
    """What streams get whose id matches a glob; None leaves it to the service's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: Annotated[str, Field(min_length=1)]
    model: str | None = None
    z: AboveZero | None = None
    false_alarms_per_day: FalseAlarms = None
    sigma_floor: AboveZero | None = None
    policy: Policy | None = None
    start: Start | None = None
