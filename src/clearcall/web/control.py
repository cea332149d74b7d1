"""The messages of a session's data channel: settings from the peer; settings, statistics and sentences to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clearcall.errors import InputError
from clearcall.runtime.sharpener import STRONGEST
from clearcall.runtime.stream import LiveStats

_MOST_CHARACTERS: Final = 1024


class Settings(BaseModel):
    """What a peer may change; what isn't given stays.

    Attributes:
        model: Name of a model.
        strength: From 0 (original) over 1 (the model's output) to 2 (exaggerated).
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: str | None = None
    strength: float | None = Field(default=None, ge=0, le=STRONGEST, allow_inf_nan=False)


def read_settings(message: str | bytes, models: Collection[str]) -> Settings:
    """Read a message of a peer.

    Args:
        message: JSON, as in ``{"model": "small", "strength": 0.8}``.
        models: Names that it may use.

    Raises:
        InputError: Not JSON of this form, or an unknown model.

    Example:
        >>> read_settings('{"strength": 0.5}', ["small"]).strength
        0.5
        >>> read_settings('{"strength": 5}', ["small"])
        Traceback (most recent call last):
        ...
        clearcall.errors.InputError: The settings are wrong at strength: input should be less than or equal to 2.
    """
    if len(message) > _MOST_CHARACTERS:
        raise InputError(f"The message is longer than {_MOST_CHARACTERS} characters; send model and strength only.")
    return _checked(lambda: Settings.model_validate_json(message), models)


def check_settings(query: dict[str, str], models: Collection[str]) -> Settings:
    """Read the settings of a URL's query.

    Args:
        query: As in ``{"model": "small", "strength": "0.8"}``.
        models: Names that may be used.

    Raises:
        InputError: Not of this form, or an unknown model.

    Example:
        >>> check_settings({"strength": "0.5"}, ["small"]).strength
        0.5
    """
    return _checked(lambda: Settings.model_validate_strings(query), models)


def _checked(read: Callable[[], Settings], models: Collection[str]) -> Settings:
    try:
        settings = read()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))[:40] or "its start"
        raise InputError(f"The settings are wrong at {where}: {first['msg'].lower()}.") from error
    if settings.model is not None and settings.model not in models:
        raise InputError(f"There is no such model here; there are: {', '.join(models)}.")
    return settings


def write_settings(stats: LiveStats) -> str:
    """The settings in force, as JSON of the type ``settings``."""
    return json.dumps({"type": "settings", "model": stats.model, "strength": stats.strength})


def write_message(text: str, kind: str) -> str:
    """A sentence for a person, as JSON of the type ``kind`` (``message`` or ``error``)."""
    return json.dumps({"type": kind, "message": text})


def write_stats(stats: LiveStats) -> str:
    """Statistics, as JSON of the type ``stats``."""
    return json.dumps(
        {
            "type": "stats",
            "frames_in": stats.frames_in,
            "frames_out": stats.frames_out,
            "frames_dropped": stats.frames_dropped,
            "frames_sharpened": stats.frames_sharpened,
            "stage_ms": {stage: round(value, 2) for stage, value in stats.stage_ms.items()},
            "latency_ms": round(stats.latency_ms, 2),
            "level": stats.level,
            "running": stats.running,
            "model": stats.model,
            "strength": stats.strength,
            "size": stats.size,
        }
    )
