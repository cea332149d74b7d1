"""A server's figures in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from clearcall.web.switchboard import Switchboard

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(switchboard: Switchboard, refused: Mapping[int, int]) -> str:
    """Write a server's figures.

    Args:
        switchboard: Its sessions.
        refused: Requests turned down, by HTTP status.

    Returns:
        The text to serve as ``/metrics``.
    """
    stats = switchboard.stats()
    frames, seconds = switchboard.totals()
    levels = Counter((one.model, one.running, one.level) for one in stats)
    parts = [
        _metric("sessions", "gauge", "Sessions open now.", {"": len(stats)}),
        _metric("sessions_limit", "gauge", "Sessions allowed at once.", {"": switchboard.settings.limits.sessions}),
        _metric("sessions_opened_total", "counter", "Sessions opened.", {"": switchboard.opened}),
        _metric(
            "requests_refused_total",
            "counter",
            "Requests turned down, by HTTP status.",
            {_labels(status=str(status)): count for status, count in sorted(refused.items())},
        ),
        _metric(
            "frames_total",
            "counter",
            "Video frames by what became of them.",
            {_labels(kind=k): frames[k] for k in frames},
        ),
        _metric(
            "stage_seconds_total",
            "counter",
            "Seconds spent on frames, by stage.",
            {_labels(stage=s): seconds[s] for s in seconds},
        ),
        _metric(
            "latency_milliseconds",
            "gauge",
            "Milliseconds from a frame's decoding to its return, smoothed: the slowest session's.",
            {"": max((one.latency_ms for one in stats), default=0.0)},
        ),
        _metric(
            "sessions_by_level",
            "gauge",
            "Open sessions by model asked for, what runs, and step of the overload ladder (0 is best).",
            {_labels(model=m, running=r, level=str(v)): count for (m, r, v), count in sorted(levels.items())},
        ),
    ]
    return "".join(parts)


def _metric(name: str, kind: str, text: str, values: Mapping[str, float]) -> str:
    lines = [f"# HELP clearcall_{name} {text}", f"# TYPE clearcall_{name} {kind}"]
    lines += [f"clearcall_{name}{labels} {value}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"


def _labels(**labels: str) -> str:
    escaped = (
        (key, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for key, value in labels.items()
    )
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped) + "}"
