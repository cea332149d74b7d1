"""What an earlier run measured and this one needn't: the same files, links and weights give the same figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearcall.errors import InputError
from clearcall.evaluation.quality.journal import read_entries
from clearcall.evaluation.quality.measure import Record, Score
from clearcall.evaluation.quality.methods import BASELINES

_MODELS = "models"


@dataclass(frozen=True)
class Earlier:
    """The part of an earlier run that stays true.

    Attributes:
        tuning: How good the filters' strengths are, as journals hold it.
        scores: (link, source) -> scores by method.
    """

    tuning: list[dict[str, Any]] = field(default_factory=list)
    scores: Mapping[tuple[str, str], Mapping[str, Score]] = field(default_factory=dict)


def read_earlier(journal: Path, about: Mapping[str, Any]) -> Earlier:
    """Read what can be taken over from an earlier run.

    Args:
        journal: Of the earlier run.
        about: What this run measures, as its journal's first line says.

    Returns:
        The filters' strengths, and the scores of everything but models with other weights.

    Raises:
        InputError: The earlier run was on other files, or had other settings.
        OutputError: Not a journal.
    """
    before, entries = read_entries(journal)
    now = json.loads(json.dumps(about))
    if {**before, _MODELS: None} != {**now, _MODELS: None}:
        raise InputError(
            f"{journal.parent} holds a run on other files or with other settings, so nothing of it can be used."
        )
    same = {name for name, identity in now[_MODELS].items() if before[_MODELS].get(name) == identity}
    records = [Record.read(content) for kind, content in entries if kind == "record"]
    scores = {
        (record.profile, record.name): {
            name: score for name, score in record.scores.items() if name in same or name in BASELINES
        }
        for record in records
    }
    return Earlier([content for kind, content in entries if kind == "tuning"], scores)
