"""The examples of the OpenAPI page, by name; those of requests run as they stand."""

import json
from typing import Any, Final

STREAM: Final = "plant-a/pump-7"
_VALUES: Final = {"flow": 1.5, "pressure": 0.2}
_CONTRIBUTORS: Final = [
    {"metric": "flow", "actual": 1.5, "expected": 0.6, "share": 0.97},
    {"metric": "pressure", "actual": 0.2, "expected": 0.21, "share": 0.03},
]
_EVENT: Final = "9f86d081884c7d65"
_VERDICT: Final = {
    "stream_id": STREAM,
    "timestamp": 1763762400.0,
    "seq": 42,
    "phase": "live",
    "score": 0.31,
    "smoothed_score": 0.12,
    "threshold": 0.02,
    "severity": 15.5,
    "is_anomaly": True,
    "level_shift_since": None,
    "contributors": _CONTRIBUTORS,
    "alert": {"event_id": _EVENT, "status": "open"},
    "progress": None,
}
_REFUSAL: Final = {
    "index": 1,
    "error": {"type": "out-of-order", "detail": "the time or seq lies before the stream's last"},
}
_ALERT: Final = {
    "event_id": _EVENT,
    "stream_id": STREAM,
    "model": "pumps",
    "status": "opened",
    "timestamp": 1763762400.0,
    "since": 1763762280.0,
    "opened_at": 1763762400.0,
    "severity": 15.5,
    "peak_severity": 15.5,
    "anomalies": 3,
    "level_shift_since": None,
    "contributors": _CONTRIBUTORS,
}
_STREAM_VIEW: Final = {
    "stream_id": STREAM,
    "model": "pumps",
    "phase": "live",
    "created_at": 1763758800.0,
    "observations": 61,
    "anomalies": 1,
    "missing_values": 0,
    "last_timestamp": 1763762400.0,
    "last_seq": 42,
    "usual_step_s": 60.0,
    "is_silent": False,
    "score": 0.31,
    "smoothed_score": 0.12,
    "threshold": 0.02,
    "level_shift_since": None,
    "scores_held": 1000,
    "z": 9.31,
    "false_alarms_per_day": 0.5,
    "sigma_floor": 1e-6,
    "policy": "clip",
    "start": "own",
}
_MODEL: Final = {
    "name": "pumps",
    "scorer": "gru",
    "metrics": ["flow", "pressure"],
    "scoring": "top",
    "window": 1000,
    "z": 8.0,
    "false_alarms_per_day": 1.0,
    "policy": "clip",
    "streams": 2,
    "is_default": True,
    "content_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "trained_at": "2025-11-21T22:00:00+00:00",
}


def _lines(*rows: Any) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


EXAMPLES: Final[dict[str, Any]] = {
    "observation": {"timestamp": 1763762400.0, "values": _VALUES, "seq": 42},
    "observations": {
        "observations": [
            {"stream_id": STREAM, "timestamp": 1763762460.0, "values": _VALUES},
            {"stream_id": "plant-a/pump-8", "timestamp": 1763762460.0, "values": [1.5, None]},
        ]
    },
    "observation-lines": _lines(
        {"stream_id": STREAM, "timestamp": 1763762520.0, "values": _VALUES},
        {"stream_id": STREAM, "timestamp": 1763762580.0, "values": [1.5, None]},
    ),
    "verdict": _VERDICT,
    "verdicts": {"verdicts": [_VERDICT, _REFUSAL]},
    "verdict-lines": _lines(_VERDICT, _REFUSAL),
    "options": {"false_alarms_per_day": 0.5, "start": "own"},
    "stream": _STREAM_VIEW,
    "streams": {"streams": [STREAM, "plant-a/pump-8"], "total": 2, "next_after": None},
    "models": [_MODEL],
    "model": _MODEL,
    "alerts": {"alerts": [_ALERT]},
    "health": {"status": "ok"},
    "readiness": {
        "status": "ready",
        "sinks": {"live": "up", "log": "up", "redis": "down"},
        "store": "up",
    },
    "metrics": 'stepwatch_observations_scored_total{model="pumps"} 42.0\n',
}
