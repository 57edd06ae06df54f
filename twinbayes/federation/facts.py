"""What columns, scales and windows are agreed on from: sums over all sites, and labels.

Nothing of it is of one site but names: of subgroups, centres, levels, covariates and their units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from scipy.stats import norm

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError, ModelError
from twinbayes.estimators.splines import FOUR_KNOTS, natural_spline_term
from twinbayes.federation.joint.crude import Counts
from twinbayes.model import Encoding, EventPlan, Learnt, ModelSpec
from twinbayes.model.courses.history import trace_histories
from twinbayes.model.covariates.columns import ROUNDING, Column
from twinbayes.model.covariates.missing import NormalModel
from twinbayes.model.covariates.terms import CovariateTerm, Group, Interaction, Term
from twinbayes.model.events.crude import Crude
from twinbayes.model.events.rows import rows_at_risk

GRID: Final = np.concatenate([[0.0], np.geomspace(1.0, 40_000.0, 120)])
"""Days between which numbers of events and ends of follow-up are counted."""

_PER_SOURCE: Final = 7  # numbers of one covariate, see `_summary`
_RIDGE: Final = 0.05  # as in `NormalModel.learn`
_NORMAL: Final = norm.ppf((np.arange(199) + 0.5) / 199)


@dataclass(frozen=True)
class Labels:
    """Names that sites have among their patients.

    Attributes
    ----------
    subgroups, centres
        Of patients.
    units
        Of each covariate that the model asks for; None where it has none.
    levels
        Of each covariate with levels, in the order of the dictionary where there is one.
    carriers
        Of each covariate group of the model, the covariates in it.
    """

    subgroups: tuple[str, ...]
    centres: tuple[str, ...]
    units: Mapping[str, str | None]
    levels: Mapping[str, tuple[str, ...]]
    carriers: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, spec: ModelSpec, cohort: Cohort) -> Labels:
        """Find them in one cohort.

        Raises
        ------
        FederationError
            The cohort lacks a covariate of the model.
        """
        variables, table = cohort.variables, cohort.covariates()
        groups = {t.group for t in spec.events.covariates if isinstance(t, Group)}
        mine = variables[variables["role"] == "covariate"]
        carriers = {g: tuple(mine.loc[mine["group"] == g, "name"]) for g in sorted(groups)}
        names = dict.fromkeys([*_named(spec.events.covariates), *sum(carriers.values(), ())])
        if absent := sorted(set(names) - set(table.columns)):
            raise FederationError(
                f"The covariates {', '.join(map(repr, absent))} of this study are not in the "
                "site's cohort. Add the columns, blank where unknown."
            )
        unit = dict(zip(variables["name"], variables["unit"], strict=True))
        levels: dict[str, tuple[str, ...]] = {}
        for term in spec.events.covariates:
            if isinstance(term, Term) and term.transform == "category":
                declared = variables.loc[variables["name"] == term.name, "levels"].dropna()
                order = str(declared.iloc[0]).split("|") if len(declared) else []
                found = set(table[term.name].dropna().astype(str))
                rest = sorted(found - set(order))
                levels[term.name] = tuple([x for x in order if x in found] + rest)
        return cls(
            tuple(sorted(cohort.subgroups)),
            tuple(sorted(cohort.centres)),
            {name: _text(unit.get(name)) for name in names},
            levels,
            carriers,
        )

    @classmethod
    def joined(cls, each: Mapping[str, Labels]) -> Labels:
        """Join those of all sites.

        Raises
        ------
        FederationError
            Sites have different units, or name other covariates in a group.
        """
        first_name, first = next(iter(each.items()))
        levels: dict[str, tuple[str, ...]] = {}
        for name, one in each.items():
            for what in ("units", "carriers"):
                mine, theirs = getattr(one, what), getattr(first, what)
                for key in sorted({*mine, *theirs}):
                    if mine.get(key) != theirs.get(key):
                        raise FederationError(
                            f"Sites disagree on the {what} of {key!r}: {first_name} has "
                            f"{theirs.get(key)!r}, {name} has {mine.get(key)!r}. Convert the data "
                            "of one of them, and begin the study again."
                        )
            for key, found in one.levels.items():
                before = levels.get(key, ())
                levels[key] = (*before, *(x for x in found if x not in before))
        return cls(
            tuple(sorted({s for one in each.values() for s in one.subgroups})),
            tuple(sorted({c for one in each.values() for c in one.centres})),
            first.units,
            levels,
            first.carriers,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data; `from_dict` undoes it."""
        return {
            "subgroups": list(self.subgroups),
            "centres": list(self.centres),
            "units": dict(self.units),
            "levels": {k: list(v) for k, v in self.levels.items()},
            "carriers": {k: list(v) for k, v in self.carriers.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Labels:
        """Read what `to_dict` wrote.

        Raises
        ------
        FederationError
            It is something else.
        """
        try:
            lists = {
                key: {str(k): tuple(map(str, v)) for k, v in data[key].items()}
                for key in ("levels", "carriers")
            }
            return cls(
                tuple(map(str, data["subgroups"])),
                tuple(map(str, data["centres"])),
                {str(k): None if v is None else str(v) for k, v in data["units"].items()},
                lists["levels"],
                lists["carriers"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FederationError("The labels of a site cannot be read.") from error


@dataclass(frozen=True)
class Facts:
    """The order of the numbers that all sites sum up for the agreement.

    Attributes
    ----------
    spec, labels
        The model, and what the sites have in common.
    """

    spec: ModelSpec
    labels: Labels

    @cached_property
    def sources(self) -> tuple[tuple[str, ...], ...]:
        """Covariates, and products of covariates, that are summed up."""
        found: dict[tuple[str, ...], None] = {}
        for term in self.spec.events.covariates:
            if isinstance(term, Group):
                found |= {(name,): None for name in self.labels.carriers[term.group]}
            elif isinstance(term, Interaction):
                found[term.names] = None
            elif term.transform != "category":
                found[(term.name,)] = None
        return tuple(found)

    def of_site(self, cohort: Cohort) -> Floats:
        """A site's numbers: patients, covariates, levels, then events and ends by `GRID`."""
        table = cohort.covariates()
        parts: list[Floats] = [np.array([float(cohort.n_patients)])]
        for source in self.sources:
            raw = Column(":".join(source), "", source, "identity", 0.0, 1.0, False).raw(table)
            parts.append(_summary(raw[~np.isnan(raw)]))
        for name, levels in self.labels.levels.items():
            own = table[name].dropna().astype(str)
            parts.append(np.array([float((own == level).sum()) for level in levels]))
        histories = trace_histories(self.spec.graph, cohort)
        rows = rows_at_risk(self.spec.graph, histories)
        for k in range(len(self.spec.graph.labels)):
            mine = rows.intensity == k
            parts += [_by_bin(rows.stop[mine & rows.is_event]), _by_bin(rows.stop[mine])]
        return np.concatenate(parts)

    def columns_and_edges(
        self, total: Floats
    ) -> tuple[tuple[Column, ...], tuple[str, ...], tuple[Floats, ...]]:
        """Columns, what was left out and why, and windows, from the sums over all sites.

        Raises
        ------
        FederationError
            A covariate does not vary, or does not suit its transform.
        """
        at = 1 + _PER_SOURCE * len(self.sources)
        seen = {s: total[1 + 7 * k : 8 + 7 * k] for k, s in enumerate(self.sources)}
        counts: dict[str, Floats] = {}
        for name, levels in self.labels.levels.items():
            counts[name] = total[at : at + len(levels)]
            at += len(levels)
        columns: list[Column] = []
        left_out: list[str] = []
        try:
            for term in self.spec.events.covariates:
                found, rare = _columns(term, seen, counts, self.labels)
                columns += found
                left_out += rare
        except ModelError as error:
            raise FederationError(str(error)) from error
        histograms = total[at:].reshape(len(self.spec.graph.labels), 2, len(GRID) - 1)
        edges = tuple(
            np.asarray(i.baseline.edges(_spread(events), _spread(ends)), dtype=float)
            for i, (events, ends) in zip(self.spec.graph.intensities, histograms, strict=True)
        )
        return tuple(columns), tuple(left_out), edges


def moments(plan: EventPlan, cohort: Cohort) -> Floats:
    """A site's numbers under agreed columns and windows.

    Sums of columns, of their products and numbers of patients by pair of columns, over those of
    whom both are known; then events and days at risk of each intensity by window.
    """
    table = cohort.covariates()
    columns = plan.encoding.columns
    x = np.column_stack([c.encode(table) for c in columns]) if columns else np.zeros((0, 0))
    known = ~np.isnan(x)
    filled = np.where(known, x, 0.0)
    crude = Crude(plan)
    parts = [filled.sum(axis=0), (filled.T @ filled).ravel()]
    parts.append((known.T.astype(float) @ known.astype(float)).ravel())
    return np.concatenate([*parts, *crude.events, *crude.days])


def agreed(
    columns: Sequence[Column],
    left_out: Sequence[str],
    edges: tuple[Floats, ...],
    labels: Labels,
    total: Floats,
) -> tuple[Learnt, Counts]:
    """What all parties apply from here on, from the sums of `moments` over all sites."""
    p = len(columns)
    first, second, pairs = np.split(total[: p + 2 * p * p], [p, p + p * p])
    n = pairs.reshape(p, p)
    mean = first / np.maximum(np.diag(n), 1.0)
    product = second.reshape(p, p) / np.maximum(n, 1.0)
    covariance = np.where(n > 0, product - np.outer(mean, mean), 0.0)
    values, axes = np.linalg.eigh(0.5 * (covariance + covariance.T)) if p else (mean, product)
    smooth = (axes * np.maximum(values, 0.0)) @ axes.T
    smooth += _RIDGE * np.diag(np.maximum(np.diag(covariance), 1e-6))
    normal = NormalModel(mean, smooth)
    encoding = Encoding(tuple(columns), labels.subgroups, labels.centres, normal, tuple(left_out))
    sizes = [len(e) - 1 for e in edges]
    events, days = np.split(total[p + 2 * p * p :], 2)
    cuts = np.cumsum(sizes)[:-1]
    counts = Counts(
        tuple(np.split(events, cuts)), tuple(np.split(days, cuts)), len(labels.subgroups)
    )
    return Learnt(encoding, edges), counts


def _named(terms: Sequence[CovariateTerm]) -> list[str]:
    out: list[str] = []
    for term in terms:
        if isinstance(term, Interaction):
            out += term.names
        elif isinstance(term, Term):
            out.append(term.name)
    return out


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _summary(known: Floats) -> Floats:
    """Count, sum, squares; values other than 0 and 1; values not above 0; logs, their squares."""
    other = np.sum((known != 0.0) & (known != 1.0))
    logs = np.log(known[known > 0.0])
    return np.array(
        [
            len(known), known.sum(), (known**2).sum(), other,
            np.sum(known <= 0.0), logs.sum(), (logs**2).sum(),
        ],
        dtype=float,
    )  # fmt: skip


def _columns(
    term: CovariateTerm,
    seen: Mapping[tuple[str, ...], Floats],
    counts: Mapping[str, Floats],
    labels: Labels,
) -> tuple[list[Column], list[str]]:
    """Columns of one term, and what was left out of it, as `learn_columns` fixes them."""
    if isinstance(term, Group):
        return _of_group(term, seen, labels)
    if isinstance(term, Interaction):
        name, (n, total, squares, other) = ":".join(term.names), seen[term.names][:4]
        centre, spread = _standard(name, n, total, squares)
        binary = other == 0
        scale = 1.0 if binary else spread
        return [Column(name, term.group, term.names, "identity", centre, scale, bool(binary))], []
    if term.transform == "category":
        levels, share = labels.levels[term.name], counts[term.name]
        if (share > 0).sum() < 2:
            raise ModelError(f"Covariate {term.name!r} has fewer than two levels at all sites.")
        known = tuple(sorted(levels))
        shares = dict(zip(levels, share / share.sum(), strict=True))
        return [
            Column(
                f"{term.name}={level}", term.group, (term.name,), "level", float(shares[level]),
                1.0, True, level=level, levels=known,
            )
            for level in known
            if level != levels[0]
        ], []  # fmt: skip
    n, total, squares, other, low, logs, log_squares = seen[(term.name,)]
    one = (term.name,)
    if term.transform == "binary":
        if other:
            raise ModelError(f"Covariate {term.name!r} has values other than 0 and 1.")
        centre, _ = _standard(term.name, n, total, squares)
        return [Column(term.name, term.group, one, "identity", centre, 1.0, True)], []
    if term.transform == "log":
        if low:
            raise ModelError(f"Covariate {term.name!r} has values ≤ 0 and cannot be logged.")
        centre, scale = _standard(term.name, n, logs, log_squares)
        return [Column(f"log_{term.name}", term.group, one, "log", centre, scale, False)], []
    centre, scale = _standard(term.name, n, total, squares)
    columns = [Column(term.name, term.group, one, "identity", centre, scale, False)]
    if term.transform == "spline":
        # Knots where a normal covariate has its quantiles: any knots that all agree on will do.
        like = centre + scale * _NORMAL
        q = tuple(float(x) for x in np.quantile(like, FOUR_KNOTS))
        for k in range(2):
            curve = natural_spline_term(like, q, k)
            columns.append(
                Column(
                    f"{term.name}_spline{k + 1}", term.group, one, "spline", float(curve.mean()),
                    float(curve.std()), False, knots=(float(k), *q),
                )
            )  # fmt: skip
    return columns, []


def _of_group(
    term: Group, seen: Mapping[tuple[str, ...], Floats], labels: Labels
) -> tuple[list[Column], list[str]]:
    columns: list[Column] = []
    rare: list[str] = []
    for name in labels.carriers[term.group]:
        n, total, _, other = seen[(name,)][:4]
        if other:
            raise ModelError(f"Covariate {name!r} has values other than 0 and 1.")
        if min(total, n - total) < term.min_carriers:
            rare.append(f"{name}: fewer than {term.min_carriers} carriers or non-carriers")
            continue
        columns.append(Column(name, term.group, (name,), "identity", float(total / n), 1.0, True))
    return columns, rare


def _standard(name: str, n: float, total: float, squares: float) -> tuple[float, float]:
    """Mean and standard deviation; refuses what does not vary."""
    mean = total / max(n, 1.0)
    variance = squares / max(n, 1.0) - mean**2
    if n < 1 or variance <= max(ROUNDING * abs(mean), 1e-9) ** 2:
        raise ModelError(
            f"Covariate {name!r} is constant or missing at all sites. Leave it out of the model: "
            f"spec.without_covariates({name!r})."
        )
    return float(mean), float(np.sqrt(variance))


def _by_bin(times: Floats) -> Floats:
    """Numbers of times in the bins of `GRID`."""
    return np.histogram(np.clip(times, 0.0, GRID[-1]), GRID)[0].astype(float)


def _spread(counts: Floats) -> Floats:
    """Times that have these counts in the bins of `GRID`, evenly spread over each."""
    counts = np.round(counts).astype(int)
    parts = [
        low + (high - low) * (np.arange(n) + 0.5) / n
        for low, high, n in zip(GRID[:-1], GRID[1:], counts, strict=True)
        if n > 0
    ]
    return np.concatenate([*parts, np.zeros(0)])
