"""What a data set must have to be shown as a treatment effect, and to be one of a fit."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.effects.estimand import SUMMARIES
from twinbayes.effects.standardise import POPULATIONS
from twinbayes.effects.support import FLAGS
from twinbayes.errors import ReportError
from twinbayes.inference import Fit
from twinbayes.names import SUBGROUP, TIME

_SIDES: Final = ("", "_lower", "_upper")
_COUNTS: Final = (
    "n_patients", "n_comparable", "n_treated", "n_untreated", "events_treated", "events_untreated",
)  # fmt: skip
#: With one of these, all of them: a row of a forest shows them together.
_TREATED: Final = (*_COUNTS[1:], "share_treated")
_TEXTS: Final = (
    "interval_kind", "disease", "estimand", "scenario_a", "scenario_b", "bias", "left_out",
    "support",
)  # fmt: skip
_CHOICES: Final[dict[str, tuple[object, ...]]] = {
    "summary": tuple(SUMMARIES),
    "population": tuple(POPULATIONS),
    "verdict": ("usable", "not for use"),
    "simulated_data": (0, 1),
}


def require_effect(effect: xr.Dataset) -> None:
    """Refuse a data set that is not like one of `treatment_effect`.

    Raises
    ------
    ReportError
        Naming the attribute or variable, and the rule.
    """
    _require_attrs(effect.attrs)
    _require_axes(effect)
    summary = str(effect.attrs["summary"])
    positive = summary.endswith("ratio")
    names = [f"{summary}{side}" for side in _SIDES]
    if summary == "hazard_ratio":
        names += ["survival_a", "survival_b"]
    for name in names:
        for variable, dims in (
            (f"subgroup_{name}", (SUBGROUP, TIME)),
            (f"overall_{name}", (TIME,)),
        ):
            values = _numbers(effect, variable, dims)
            _rule(not positive or not (values <= 0.0).any(), variable, "must be above 0")
    _numbers(effect, "n_patients", (SUBGROUP,))
    if any(name in effect for name in _TREATED):
        for name in _TREATED:
            _numbers(effect, name, (SUBGROUP,))
    for name in _COUNTS:
        if name in effect:
            known = _numbers(effect, name, (SUBGROUP,))
            known = known[~np.isnan(known)]
            _rule(bool((known >= 0.0).all() and (known % 1 == 0).all()), name, "must be counts")
    for name in ("share_treated", "prior_sd_ratio"):
        if name in effect:
            _rule(not (_numbers(effect, name, (SUBGROUP,)) < 0.0).any(), name, "must be positive")
    _rule(_of_dims(effect, "support", (SUBGROUP,)), "support", f"must have the dim {SUBGROUP}")
    flags = effect["support"].to_numpy().tolist()
    _rule(all(f in FLAGS for f in flags), "support", f"must be one of {', '.join(FLAGS)}")


def require_effect_of(fit: Fit, effect: xr.Dataset) -> None:
    """Refuse an effect that another fit must have given.

    Raises
    ------
    ReportError
        Another disease or another verdict.
    """
    require_effect(effect)
    here = {
        "disease": fit.spec.name,
        "verdict": "usable" if fit.verdict.usable else "not for use",
    }
    for name, mine in here.items():
        if effect.attrs[name] != mine:
            raise ReportError(
                f"A treatment effect is of another fit: its {name} is {effect.attrs[name]!r}, that "
                f"of the fit under review {mine!r}. Estimate it again from this fit."
            )


def _require_attrs(attrs: dict[str, Any]) -> None:
    for name in _TEXTS:
        _rule(isinstance(attrs.get(name), str), f"attribute {name}", "must be text")
    for name, known in _CHOICES.items():
        listed = ", ".join(map(str, known))
        value = attrs.get(name)
        _rule(isinstance(value, str | int) and value in known, f"attribute {name}",
              f"must be one of {listed}")  # fmt: skip
    level = attrs.get("interval_probability")
    _rule(
        isinstance(level, float) and 0.0 < level < 1.0,
        "attribute interval_probability", "must be between 0 and 1",
    )  # fmt: skip


def _require_axes(effect: xr.Dataset) -> None:
    days = _numbers(effect, TIME, (TIME,))
    rising = bool(len(days) and np.isfinite(days).all() and (np.diff(days) > 0).all())
    _rule(rising and bool(days[0] > 0), TIME, "must be increasing days above 0")
    _rule(effect[TIME].attrs.get("units") == "days", TIME, "must have the units 'days'")
    _rule(_of_dims(effect, SUBGROUP, (SUBGROUP,)), SUBGROUP, "must be there")
    groups = effect[SUBGROUP].to_numpy().tolist()
    named = bool(groups) and all(isinstance(g, str) for g in groups)
    _rule(named and len(set(groups)) == len(groups), SUBGROUP, "must be different names")


def _numbers(effect: xr.Dataset, name: str, dims: tuple[str, ...]) -> np.ndarray:
    """Return a variable in the order of its dims, as floats; NaN and infinity may be among them."""
    _rule(_of_dims(effect, name, dims), name, f"must be there, with the dims {', '.join(dims)}")
    kind = effect[name].dtype.kind
    _rule(kind in "fiu", name, "must hold numbers alone")
    return np.asarray(effect[name].transpose(*dims).to_numpy(), dtype=np.float64)


def _of_dims(effect: xr.Dataset, name: str, dims: tuple[str, ...]) -> bool:
    return name in effect.variables and set(effect[name].dims) == set(dims)


def _rule(kept: bool, what: str, rule: str) -> None:
    if not kept:
        raise ReportError(f"{what} {rule}.")
