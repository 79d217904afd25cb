"""How streams and models look over HTTP."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.spec import Policy
from service.engine.stream_options import LEAST_FALSE_ALARMS
from service.ingest.schemas import PhaseName

_LARGEST: Final = 1e9
"""Largest z and sigma floor: their product has to stay a number, and sense ends long before."""


class StreamOptionsBody(BaseModel):
    """What may differ from stream to stream; left out: the model's or the service's default."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = Field(None, description="Name of a loaded model.")
    z: float | None = Field(
        None, gt=0, le=_LARGEST, description="Sigmas of the level; not with false_alarms_per_day."
    )
    false_alarms_per_day: float | None = Field(
        None,
        ge=LEAST_FALSE_ALARMS,
        le=_LARGEST,
        description="Asked for; z is found for it and kept up.",
    )
    sigma_floor: float | None = Field(None, gt=0, le=_LARGEST)
    policy: Policy | None = None
    start: Literal["own", "reference"] | None = Field(
        None, description="How the stream starts when it is created; a reset washes out."
    )


class StreamView(BaseModel):
    """A stream as it stands; unknown is null. Times are epoch seconds."""

    stream_id: str
    model: str
    phase: PhaseName
    created_at: float
    observations: int
    anomalies: int
    missing_values: int
    last_timestamp: float | None
    last_seq: int | None
    usual_step_s: float | None = Field(
        description="Usual seconds between observations: of their times, else of their arrivals."
    )
    is_silent: bool = Field(description="Nothing has come for ten usual steps.")
    score: float | None
    smoothed_score: float | None
    threshold: float | None
    level_shift_since: float | None = Field(
        description="Since when its level is another; null: it is not."
    )
    scores_held: int = Field(description="Scores in the threshold's window.")
    z: float = Field(description="As it counts now, given or found.")
    false_alarms_per_day: float | None = Field(description="Asked for; null: z is given.")
    sigma_floor: float
    policy: Policy
    start: Literal["own", "reference"]


class StreamPage(BaseModel):
    """Streams in the order of their ids."""

    streams: list[str]
    total: int
    next_after: str | None = Field(description="Give it as `after` for the next page.")


class ModelView(BaseModel):
    """A loaded model."""

    name: str
    scorer: str
    metrics: list[str]
    scoring: str
    window: int
    z: float = Field(description="Counts where false_alarms_per_day is null.")
    false_alarms_per_day: float | None
    policy: Policy
    streams: int
    is_default: bool
    content_hash: str
    trained_at: str
