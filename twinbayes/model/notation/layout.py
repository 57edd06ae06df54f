"""Which key of a model file holds which part of a description."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = "twinbayes/disease/v1"
#: Baseline of every transition and start that names none.
DEFAULT_BASELINE: Final = "baseline"
GRAPH: Final = ("states", "transitions", "treatments", "ignored_events")
EVENTS: Final = (
    "covariates", "unshrunk", "subgroup", "centre", "worse", "better", "time_varying",
    "frailty",
)  # fmt: skip
KEYS: Final = (
    "schema", "name", "title", "priors", "states", DEFAULT_BASELINE, "transitions", "treatments",
    "ignored_events", *EVENTS, "trajectories", "associations", "reporting",
)  # fmt: skip
"""All keys at the top of a file, in the order in which they are written."""
REQUIRED: Final = ("schema", "name", "title", "priors", "states", "transitions")
PRIOR_KEYS: Final = ("extends", "entries")
