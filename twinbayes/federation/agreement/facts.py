"""What columns, scales and windows are agreed on from: sums over all sites, and labels.

Nothing of it is of one site but names: of subgroups, centres, levels, covariates and their units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.stats import norm

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError, ModelError
from twinbayes.estimators.splines import FOUR_KNOTS, natural_spline_term
from twinbayes.federation.agreement.headcounts import Counted, behind, raw_of
from twinbayes.federation.agreement.labels import Labels
from twinbayes.federation.agreement.markers import MarkerFacts, evenly_spread, with_curves
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.model import Encoding, EventPlan, Learnt, ModelSpec
from twinbayes.model.courses.history import trace_histories
from twinbayes.model.covariates.columns import ROUNDING, Column
from twinbayes.model.covariates.missing import NormalModel
from twinbayes.model.covariates.terms import CovariateTerm, Group, Interaction, Term
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.model.events.crude import Crude
from twinbayes.model.events.rows import rows_at_risk

GRID: Final = np.concatenate([[0.0], np.geomspace(1.0, 40_000.0, 60)])
"""Days between which events, ends of follow-up and patients at risk are counted: a fifth apart."""

_PER_SOURCE: Final = 4  # numbers of one covariate, see `_summary`
_RIDGE: Final = 0.05  # as in `NormalModel.learn`
_NORMAL: Final = norm.ppf((np.arange(199) + 0.5) / 199)


@dataclass(frozen=True)
class Facts:
    """The order of the numbers that all sites sum up for the agreement.

    Attributes
    ----------
    spec, labels
        The model, and what the sites have in common.
    counted
        Numbers of patients of all sites together.
    minimum
        Patients behind every number, at least.
    """

    spec: ModelSpec
    labels: Labels
    counted: Counted
    minimum: int

    @cached_property
    def sources(self) -> tuple[tuple[str, ...], ...]:
        """Covariates, and products of covariates, that are summed up."""
        found = [
            term.names if isinstance(term, Interaction) else (term.name,)
            for term in self.spec.events.covariates
            if isinstance(term, Interaction)
            or (isinstance(term, Term) and term.transform not in ("category", "binary"))
        ]
        return tuple(dict.fromkeys(found))

    def of_site(self, cohort: Cohort) -> Floats:
        """A site's numbers: of covariates, then events, ends and patients at risk by `GRID`."""
        table = cohort.covariates()
        parts: list[Floats] = [np.zeros(0)]
        for source in self.sources:
            raw = raw_of(source, table)
            parts.append(_summary(raw[~np.isnan(raw)]))
        histories = trace_histories(self.spec.graph, cohort)
        rows = rows_at_risk(self.spec.graph, histories)
        for k in range(len(self.spec.graph.labels)):
            mine = rows.intensity == k
            throughout = [
                float(
                    len(np.unique(rows.patient[mine & (rows.start <= low) & (rows.stop >= high)]))
                )
                for low, high in pairwise(GRID)
            ]
            ends = _by_bin(rows.stop[mine])
            parts += [
                _by_bin(rows.stop[mine & rows.is_event]),
                ends,
                np.array(throughout, dtype=float),
            ]
        return np.concatenate([*parts, self._markers.of_site(cohort)])

    @property
    def _markers(self) -> MarkerFacts:
        return MarkerFacts(self.spec)

    def scales(self, total: Floats) -> tuple[MarkerScale, ...]:
        """Knots and scales of curves, from the sums over all sites.

        Raises
        ------
        FederationError
            A marker does not vary.
        """
        return self._markers.scales(total[len(total) - self._markers.size :])

    def columns_and_edges(
        self, total: Floats
    ) -> tuple[tuple[Column, ...], tuple[str, ...], tuple[Floats, ...]]:
        """Columns, what was left out and why, and windows, from the sums over all sites.

        Raises
        ------
        FederationError
            A covariate does not vary, or does not suit its transform; or too few are at risk.
        """
        at = _PER_SOURCE * len(self.sources)
        summed = zip(self.sources, total[:at].reshape(-1, _PER_SOURCE), strict=True)
        sums = dict(summed)
        columns: list[Column] = []
        left_out: list[str] = []
        try:
            for term in self.spec.events.covariates:
                found, rare = self._columns(term, sums)
                columns += found
                left_out += rare
        except ModelError as error:
            raise FederationError(str(error)) from error
        end = len(total) - self._markers.size
        histograms = total[at:end].reshape(len(self.spec.graph.labels), 3, len(GRID) - 1)
        edges = tuple(
            _where_enough(
                i.baseline.edges(evenly_spread(events, GRID), evenly_spread(ends, GRID)),
                at_risk,
                self.minimum,
                i.label,
            )
            for i, (events, ends, at_risk) in zip(
                self.spec.graph.intensities, np.round(histograms), strict=True
            )
        )
        return tuple(columns), tuple(left_out), edges

    def _columns(
        self, term: CovariateTerm, sums: Mapping[tuple[str, ...], Floats]
    ) -> tuple[list[Column], list[str]]:
        """Columns of one term, and what was left out of it, as `learn_columns` fixes them."""
        if isinstance(term, Group):
            return _of_group(term, self.counted, self.labels, self.minimum)
        if isinstance(term, Term) and term.transform == "category":
            return _of_levels(term, self.labels.levels[term.name], self.counted), []
        if isinstance(term, Term) and term.transform == "binary":
            n, some, other, _ = self.counted.sources[(term.name,)]
            if other:
                raise ModelError(f"Covariate {term.name!r} has values other than 0 and 1.")
            centre, _ = _standard(term.name, n, some, some)
            one = (term.name,)
            return [Column(term.name, term.group, one, "identity", centre, 1.0, True)], []
        source = term.names if isinstance(term, Interaction) else (term.name,)
        return _of_numbers(term, source, self.counted.sources[source], sums[source]), []


def moments(plan: EventPlan, coordinates: Coordinates, cohort: Cohort) -> Floats:
    """A site's numbers under agreed columns and windows.

    Sums of columns, of their products and numbers of patients by pair of columns, over those of
    whom both are known; then events and days at risk of each intensity by window; then numbers of
    patients `behind` the parts of the likelihood.
    """
    table = cohort.covariates()
    columns = plan.encoding.columns
    x = np.column_stack([c.encode(table) for c in columns]) if columns else np.zeros((0, 0))
    known = ~np.isnan(x)
    filled = np.where(known, x, 0.0)
    crude = Crude(plan)
    parts = [filled.sum(axis=0), (filled.T @ filled).ravel()]
    parts.append((known.T.astype(float) @ known.astype(float)).ravel())
    return np.concatenate([*parts, *crude.events, *crude.days, behind(plan, coordinates, cohort)])


def agreed(
    spec: ModelSpec,
    columns: Sequence[Column],
    left_out: Sequence[str],
    edges: tuple[Floats, ...],
    labels: Labels,
    scales: Sequence[MarkerScale],
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
    start = p + 2 * p * p
    events, days = np.split(total[start : start + 2 * sum(sizes)], 2)
    cuts = np.cumsum(sizes)[:-1]
    counts = Counts(
        tuple(np.split(events, cuts)), tuple(np.split(days, cuts)), len(labels.subgroups)
    )
    curves = with_curves(spec, encoding, scales) if scales else None
    return Learnt(encoding, edges, curves), counts


def _summary(known: Floats) -> Floats:
    """Sum, squares; logs, their squares."""
    logs = np.log(known[known > 0.0])
    return np.array([known.sum(), (known**2).sum(), logs.sum(), (logs**2).sum()], dtype=float)


def _of_numbers(
    term: Term | Interaction, source: tuple[str, ...], counts: Floats, sums: Floats
) -> list[Column]:
    """Columns of a numeric covariate, or of a product."""
    n, _, other, low = counts
    total, squares, logs, log_squares = sums
    name = ":".join(source)
    if isinstance(term, Term) and term.transform == "log":
        if low:
            raise ModelError(f"Covariate {name!r} has values ≤ 0 and cannot be logged.")
        centre, scale = _standard(name, n, logs, log_squares)
        return [Column(f"log_{name}", term.group, source, "log", centre, scale, False)]
    centre, scale = _standard(name, n, total, squares)
    if isinstance(term, Interaction):
        binary = bool(other == 0)
        unit = 1.0 if binary else scale
        return [Column(name, term.group, source, "identity", centre, unit, binary)]
    columns = [Column(name, term.group, source, "identity", centre, scale, False)]
    if term.transform == "spline":
        # Knots where a normal covariate has its quantiles: any knots that all agree on will do.
        like = centre + scale * _NORMAL
        q = tuple(float(x) for x in np.quantile(like, FOUR_KNOTS))
        for k in range(2):
            curve = natural_spline_term(like, q, k)
            columns.append(
                Column(
                    f"{name}_spline{k + 1}", term.group, source, "spline", float(curve.mean()),
                    float(curve.std()), False, knots=(float(k), *q),
                )
            )  # fmt: skip
    return columns


def _of_levels(term: Term, levels: Sequence[str], counted: Counted) -> list[Column]:
    """Columns of a covariate with levels; those that nobody has are not among them."""
    count = dict(zip(levels, counted.levels[term.name], strict=True))
    present = [level for level in levels if count[level] > 0]
    if len(present) < 2:
        raise ModelError(f"Covariate {term.name!r} has fewer than two levels at all sites.")
    known, total = tuple(sorted(present)), sum(count.values())
    return [
        Column(
            f"{term.name}={level}", term.group, (term.name,), "level", float(count[level] / total),
            1.0, True, level=level, levels=known,
        )
        for level in known
        if level != present[0]
    ]  # fmt: skip


def _of_group(
    term: Group, counted: Counted, labels: Labels, minimum: int
) -> tuple[list[Column], list[str]]:
    columns: list[Column] = []
    rare: list[str] = []
    fewest = max(term.min_carriers, minimum)
    for name in labels.carriers[term.group]:
        n, some, other, _ = counted.sources[(name,)]
        if other:
            raise ModelError(f"Covariate {name!r} has values other than 0 and 1.")
        if min(some, n - some) < fewest:
            rare.append(f"{name}: fewer than {fewest} carriers or non-carriers")
            continue
        columns.append(Column(name, term.group, (name,), "identity", float(some / n), 1.0, True))
    return columns, rare


def _where_enough(edges: Floats, at_risk: Floats, minimum: int, label: str) -> Floats:
    """Windows moved to where enough are at risk: none lies where fewer than `minimum` are.

    Raises
    ------
    FederationError
        There is no such time.
    """
    if minimum < 1:
        return np.asarray(edges, dtype=float)
    enough = np.flatnonzero(at_risk >= minimum)
    if not len(enough):
        raise FederationError(
            f"At no time are {minimum} patients of all sites together at risk of {label}. Leave "
            "its event out: spec.ignoring(...)."
        )
    low, high = GRID[enough[0]], GRID[enough[-1] + 1]
    inner = np.asarray(edges[1:-1], dtype=float)
    k = np.arange(1, len(inner) + 1)
    step = min(1.0, (high - low) / (len(inner) + 1))
    inner = np.clip(inner, low + step * k, high - step * k[::-1])
    out = np.concatenate([[0.0], inner, [np.inf]])
    for first, last in pairwise(out):
        if not ((GRID[enough] < last) & (GRID[enough + 1] > first)).any():
            raise FederationError(
                f"Between two times fewer than {minimum} patients of all sites together are at "
                f"risk of {label}. Give its baseline fewer windows in the disease file."
            )
    return out


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
