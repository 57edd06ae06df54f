"""A made-up entry with every field, for tests of the rules; nobody has reviewed anything."""

from __future__ import annotations

import copy
from typing import Any

FULL: dict[str, Any] = {
    "distribution": "Beta",
    "mixture": [
        {"weight": 0.8, "alpha": 11.0, "beta": 32.0},
        {"weight": 0.2, "alpha": 1.0, "beta": 1.0},
    ],
    "parameter": "probability of response",
    "scale": "probability",
    "unit": "1",
    "population": "nobody: made up",
    "rationale": "a test",
    "estimand": {
        "endpoint": "response",
        "summary": "proportion",
        "time_point": "24 weeks",
        "treatment": "placebo",
        "intercurrent_events": "who stops has not responded",
    },
    "evidence": [
        {
            "kind": "publication", "statement": "11 of 43 responded", "source": "made up",
            "n": 43, "observed": 11, "similarity": "similar", "weight": 1.0,
        },
    ],
    "derivation": "counted in full",
    "robustness": {
        "weight": 0.2, "component": {"alpha": 1.0, "beta": 1.0}, "reason": "another country",
    },
    "derived": {"mean": 0.3047, "quantiles": {"q50": 0.262}, "ess": {"moment": 6.14}},
    "elicitation": {
        "protocol": "made up",
        "method": "quantiles",
        "experts": [
            {"role": "haematologist", "values": [0.15, 0.35], "probabilities": [0.1, 0.9]},
            {
                "role": "statistician", "values": [0.2, 0.4], "probabilities": [0.25, 0.75],
                "weight": 2.0,
            },
        ],
        "pooling": "linear",
    },
    "prior_predictive": {"statement": "of 20 patients", "numbers": {"q50": 5}},
    "alternatives": [
        {
            "label": "uniform", "distribution": "Beta", "arguments": {"alpha": 1.0, "beta": 1.0},
            "rationale": "nothing known",
        },
        {
            "label": "more doubt", "distribution": "Beta",
            "mixture": [
                {"weight": 0.5, "alpha": 11.0, "beta": 32.0},
                {"weight": 0.5, "alpha": 1.0, "beta": 1.0},
            ],
            "rationale": "half of it",
        },
    ],
    "review": [
        {"role": "clinician", "date": "2026-01-15", "decision": "approve"},
        {"role": "statistician", "date": "2026-01-16", "decision": "approve", "comment": "fine"},
    ],
    "version": "1.1.0",
    "supersedes": "1.0.0",
    "status": "approved",
}  # fmt: skip


def full(**changes: Any) -> dict[str, Any]:
    """The entry with some top-level keys replaced, or left out where the value is None."""
    record = copy.deepcopy(FULL) | changes
    return {key: value for key, value in record.items() if value is not None}


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """The entry with one value deep inside replaced, or left out where it is None."""
    record = copy.deepcopy(FULL)
    place: Any = record
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return record
