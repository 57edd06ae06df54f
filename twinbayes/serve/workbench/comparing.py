"""Two fits compared: data, models, priors, estimates and scores, in sums over patients alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import HIDDEN, SMALLEST_CELL, part_words, size_words
from twinbayes.inference import Fit
from twinbayes.names import (
    CHAIN,
    DRAW,
    EVENT,
    LOG_LIKELIHOOD,
    PATIENT,
    PATIENT_DIMS,
    POSTERIOR,
    SUBGROUP,
)

_AUXILIARY: Final = "_offset"  # variables that only the sampler has a use for
_OF_GATE: Final = (
    "chains", "draws", "max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_ebfmi",
)  # fmt: skip
SCORES: Final = ("usable", *_OF_GATE, "elpd", "elpd_error")
NONE: Final = ""  # of what one of the two does not have


@dataclass(frozen=True)
class Pair:
    """Something that both fits have, or one.

    Attributes
    ----------
    name
        What it is; keys of what is within what with points between them.
    a, b
        As it is told of either; "" of the one that does not have it.
    """

    name: str
    a: str
    b: str

    @property
    def is_same(self) -> bool:
        """Whether both are told alike."""
        return self.a == self.b


@dataclass(frozen=True)
class Estimate:
    """A parameter of the population that both fits have.

    Attributes
    ----------
    variable, entry
        Name, and labels of the entry; "" of a single number.
    mean_a, sd_a, mean_b, sd_b
        Of the posterior draws.
    """

    variable: str
    entry: str
    mean_a: float
    sd_a: float
    mean_b: float
    sd_b: float

    @property
    def difference(self) -> float:
        """The second mean minus the first, in pooled standard deviations; NaN where these are 0."""
        pooled = math.sqrt((self.sd_a**2 + self.sd_b**2) / 2.0)
        return (self.mean_b - self.mean_a) / pooled if pooled > 0.0 else math.nan


@dataclass(frozen=True)
class FitComparison:
    """Two fits, side by side.

    Attributes
    ----------
    same_data
        Whether both are of the same data.
    is_withheld
        Whether numbers of the second are withheld: beside those of the first they would tell of
        1 to 4 people.
    data
        Fingerprint, patients, subgroups, centres.
    subgroups, events
        Patients of each subgroup, events of each kind, as they may be shown.
    model
        Settings of the model that differ.
    priors
        Entries of the priors that differ.
    estimates
        Parameters of the population, the largest difference first.
    scores
        The verdict and what the gate measured; leave-one-patient-out log density where the file
        has log-likelihoods.
    """

    same_data: bool
    is_withheld: bool
    data: tuple[Pair, ...]
    subgroups: tuple[Pair, ...]
    events: tuple[Pair, ...]
    model: tuple[Pair, ...]
    priors: tuple[Pair, ...]
    estimates: tuple[Estimate, ...]
    scores: tuple[tuple[str, float | None, float | None], ...]


def compare_fits(a: Fit, b: Fit) -> FitComparison:
    """Compare two fits.

    Examples
    --------
    >>> found = compare_fits(fit, fit)
    >>> found.same_data, found.model, {e.difference for e in found.estimates if e.sd_a}
    (True, (), {0.0})
    """
    subgroups = _sizes(a.cohort), _sizes(b.cohort)
    events = _events(a.cohort), _events(b.cohort)
    is_withheld = _tells_of_few(a.cohort, b.cohort) or any(
        0 < abs(one.get(name, 0) - other.get(name, 0)) < SMALLEST_CELL
        for one, other in (subgroups, events)
        for name in {*one, *other}
    )
    n = size_words(a.cohort.n_patients), size_words(b.cohort.n_patients)
    data = (
        Pair("fingerprint", a.cohort.fingerprint, b.cohort.fingerprint),
        Pair("patients", n[0], HIDDEN if is_withheld else n[1]),
        Pair("centres", str(len(a.cohort.centres)), str(len(b.cohort.centres))),
    )
    return FitComparison(
        a.cohort.fingerprint == b.cohort.fingerprint,
        is_withheld,
        data,
        _counted(*subgroups, is_withheld),
        _counted(*events, is_withheld),
        _differing(*_parted(_flat(a.spec.to_dict()), _flat(b.spec.to_dict()))),
        _differing(_priors(a), _priors(b)),
        tuple(sorted(_estimates(a, b), key=_by_difference)),
        tuple(_scores(a, b)),
    )


def _tells_of_few(a: Cohort, b: Cohort) -> bool:
    """Whether numbers of both tell what holds of 1 to 4 people that one alone has."""
    own, other = set(a.patient_ids), set(b.patient_ids)
    return any(0 < len(rest) < SMALLEST_CELL for rest in (own - other, other - own))


def _sizes(cohort: Cohort) -> dict[str, int]:
    counts = cohort.patients[SUBGROUP].astype(str).value_counts()
    return {str(name): int(counts.get(str(name), 0)) for name in cohort.subgroups}


def _events(cohort: Cohort) -> dict[str, int]:
    counts = cohort.events[EVENT].astype(str).value_counts()
    return {str(name): int(n) for name, n in counts.items()}


def _counted(a: Mapping[str, int], b: Mapping[str, int], is_withheld: bool) -> tuple[Pair, ...]:
    """Counts of groups as they may be shown, in the order of the first."""
    own = dict(zip(a, part_words(a.values()), strict=True))
    other = dict(zip(b, part_words(b.values()), strict=True))
    if is_withheld:
        other = dict.fromkeys(other, HIDDEN)
    return tuple(Pair(n, own.get(n, NONE), other.get(n, NONE)) for n in dict.fromkeys([*a, *b]))


def _flat(value: Any, above: str = "") -> dict[str, str]:
    """Plain data as one line a value, by keys and places with points between them."""
    if isinstance(value, Mapping):
        items = [(str(k), v) for k, v in value.items()]
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping | list) for v in value):
        labels = [_label(v, k) for k, v in enumerate(value)]
        items = [
            (one if labels.count(one) == 1 else f"{one} {k + 1}", v)
            for k, (one, v) in enumerate(zip(labels, value, strict=True))
        ]
    else:
        told = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        return {above: told or "–"}
    found: dict[str, str] = {}
    for key, one in items:
        found |= _flat(one, f"{above}.{key}" if above else key)
    return found


def _label(value: Any, place: int) -> str:
    """What an item of a list is called: by what names it, so that one more moves no other."""
    if isinstance(value, Mapping):
        keys = ("name", "marker", "source", "target", "treatment", "transition", "phase", "of")
        named = [str(value[k]) for k in keys if isinstance(value.get(k), str)]
        if named:
            return " ".join(named)
    return str(place + 1)


def _parted(a: dict[str, str], b: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Both, with one line for a part of which the other has nothing, and how much is in it."""
    return _with_parts(a, b), _with_parts(b, a)


def _with_parts(own: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    known = {name[:k] for name in other for k in (*_ends(name), len(name))}
    parts: dict[str, list[str]] = {}
    for name in own:
        part = next((name[:k] for k in _ends(name) if name[:k] not in known), name)
        parts.setdefault(part, []).append(name)
    return {
        part: own[part] if names == [part] else f"{len(names)} settings"
        for part, names in parts.items()
    }


def _ends(name: str) -> list[int]:
    """Where the parts end in which a setting is, the widest first."""
    return [k for k, letter in enumerate(name) if letter == "."]


def _differing(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[Pair, ...]:
    pairs = (Pair(n, a.get(n, NONE), b.get(n, NONE)) for n in dict.fromkeys([*a, *b]))
    return tuple(pair for pair in pairs if not pair.is_same)


def _priors(fit: Fit) -> dict[str, str]:
    return {name: entry.text() for name, entry in fit.priors.entries.items()}


def _estimates(a: Fit, b: Fit) -> Iterator[Estimate]:
    """Every entry of every variable of the population that both have."""
    moments = [dict(_moments(fit.datatree[POSTERIOR].to_dataset())) for fit in (a, b)]
    for key, (mean, sd) in moments[0].items():
        if key in moments[1]:
            yield Estimate(*key, mean, sd, *moments[1][key])


def _moments(posterior: xr.Dataset) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """Mean and standard deviation of each entry, by variable and labels."""
    for name, values in posterior.data_vars.items():
        dims = [d for d in values.dims if d not in (CHAIN, DRAW)]
        if set(dims) & set(PATIENT_DIMS) or str(name).endswith(_AUXILIARY):
            continue
        draws = values.transpose(CHAIN, DRAW, *dims).to_numpy().astype(float)
        draws = draws.reshape(-1, *draws.shape[2:])
        means, sds = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1)
        labels = [[str(x) for x in posterior[d].to_numpy()] if d in posterior.coords else
                  [str(k + 1) for k in range(values.sizes[d])] for d in dims]  # fmt: skip
        for place in np.ndindex(means.shape):
            entry = ", ".join(labels[axis][k] for axis, k in enumerate(place))
            yield (str(name), entry), (float(means[place]), float(sds[place]))


def _by_difference(estimate: Estimate) -> float:
    """The largest difference first, what has none last."""
    return -abs(estimate.difference) if math.isfinite(estimate.difference) else 1.0


def _scores(a: Fit, b: Fit) -> Iterator[tuple[str, float | None, float | None]]:
    yield "usable", float(a.verdict.usable), float(b.verdict.usable)
    for name in _OF_GATE:
        one, other = a.verdict.summary.get(name), b.verdict.summary.get(name)
        yield name, _finite(one), _finite(other)
    (elpd_a, error_a), (elpd_b, error_b) = _elpd(a), _elpd(b)
    yield "elpd", elpd_a, elpd_b
    yield "elpd_error", error_a, error_b


def _finite(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _elpd(fit: Fit) -> tuple[float | None, float | None]:
    """Leave-one-patient-out log density and its standard error, of log-likelihoods in the file."""
    stored = fit.datatree.children.get(LOG_LIKELIHOOD)
    if stored is None:
        return None, None
    from twinbayes.checks import patient_loo  # slow to import, and seldom needed

    found = next((v for v in stored.data_vars.values() if PATIENT in v.dims), None)
    if found is None:
        return None, None
    loo = patient_loo(found)
    return float(loo.total), float(loo.standard_error)
