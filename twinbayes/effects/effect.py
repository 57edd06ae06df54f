"""Treatment effects by g-computation: per patient, per subgroup and overall, draw by draw.

Every patient of the target is followed under both scenarios with the same posterior draws; the
means over patients of each side are compared, not the patients' comparisons (Robins 1986,
Mathematical Modelling 7, 1393-1512). The record of a patient whom the fit has not seen weights the
draws of that patient's own effect; in means, every patient has the draws of the fit as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.effects.confounding import Bias
from twinbayes.effects.eligible import Chosen, choose, require_asked
from twinbayes.effects.estimand import SUMMARIES, Estimand, Reading
from twinbayes.effects.standardise import FIXED_SAMPLE, PatientWeights, Sums
from twinbayes.effects.support import Support, require_supported, support_of
from twinbayes.errors import OptionError, TwinError
from twinbayes.inference import Fit
from twinbayes.names import PATIENT, RMST, SAMPLE, SUBGROUP, TIME
from twinbayes.twin.answers.grid import (
    Data,
    OutputGrid,
    each_patient,
    label,
    output_grid,
    require_scenarios,
    with_bounds,
)
from twinbayes.twin.answers.quality_of_life import DayWeights
from twinbayes.twin.answers.summaries import summarise
from twinbayes.twin.occupation.paths import Path
from twinbayes.twin.on_paths import CurvesOnPaths
from twinbayes.twin.twin import Twin
from twinbayes.twin.weighting.patient_draws import PatientDraws


def treatment_effect(
    who: Fit | Twin,
    estimand: Estimand,
    *,
    interval: float = 0.9,
    population: str = FIXED_SAMPLE,
    bias: Bias | None = None,
    allow_unsupported: bool = False,
    draws: int | None = None,
    keep_draws: bool = False,
    seed: int = 0,
) -> xr.Dataset:
    """Estimate a treatment effect.

    Parameters
    ----------
    who
        A fit, whose cohort has the patients; or twins at their landmark.
    estimand
        Which effect.
    interval
        Probability of the equal-tailed intervals.
    population
        ``"fixed_sample"``: the effect in these patients. ``"bayesian_bootstrap"``: in the
        population that they come from; the weights of patients then vary from draw to draw.
    bias
        Unmeasured confounding to be taken away; default: none.
    allow_unsupported
        Also estimate for subgroups with no comparable patients. The flag stays on the result.
    draws
        Thin the posterior of a fit to this many draws; default: all.
    keep_draws
        Also return every draw of the standardised effects.
    seed
        Of the Bayesian bootstrap.

    Returns
    -------
    Dataset
        Dims patient, subgroup, time (days since the landmark). For the summary S and what each
        side has, such as `risk`: `S` (patient, time), `subgroup_S` (subgroup, time), `overall_S`
        (time), and likewise `risk_a` and `risk_b`; each with ``_lower`` and ``_upper``. Differences
        are posterior means; ratios are exponentials of the mean logarithm, NaN where a side is 0
        in some draw. With `keep_draws`: `subgroup_S_draws`, `overall_S_draws` with dim sample.
        `support` (subgroup) and the numbers behind it, see `support_of`. Attributes: the estimand
        in words, scenarios, verdict, interval_probability, population, bias, who was left out, and
        `support` over the subgroups.

    Raises
    ------
    TwinError, OptionError, ScenarioError
        An estimand that the model cannot give, nobody in the target, subgroups with no comparable
        patients, or something of another kind than is asked for.

    Examples
    --------
    >>> asked = Estimand.starting(
    ...     "allogeneic_transplant",
    ...     landmark=120,
    ...     states=("remission",),
    ...     times=365.25,
    ...     subgroups=("aml_inv3", "early_t_precursor"),
    ... )
    >>> effect = treatment_effect(fit, asked)  # doctest: +SKIP
    >>> effect["risk_difference"].dims  # doctest: +SKIP
    ('patient', 'time')
    """
    require_asked(who, estimand)
    if not (bias is None or isinstance(bias, Bias)):
        raise OptionError(
            f"bias must be a Bias, such as Bias(mean=0.2), not {type(bias).__name__}."
        )
    reading = estimand.reading(who.spec.graph)
    chosen = choose(who, reading, draws)
    grid = output_grid(estimand.days[-1], estimand.days, interval)
    weights = PatientWeights(population, chosen.twin.population.n_draws, seed)
    support = support_of(chosen.twin, reading)
    if not allow_unsupported:
        require_supported(support)
    data, groups = _standardised(_Sides.of(chosen.twin, reading, grid, bias), weights, keep_draws)
    attrs = _attrs(reading, chosen, population, bias, who.spec.state_labels)
    summary = reading.estimand.summary
    ratios = () if summary.endswith("_difference") else [name for name in data if summary in name]
    dataset = label(chosen.twin, data, grid, attrs, ratios).assign_coords({SUBGROUP: list(groups)})
    return _with_support(dataset, support)


@dataclass(frozen=True)
class _Sides:
    """One patient at a time under both scenarios."""

    twin: Twin
    reading: Reading
    grid: OutputGrid
    weights: DayWeights | None
    confounded: _Confounded | None

    @classmethod
    def of(cls, twin: Twin, reading: Reading, grid: OutputGrid, bias: Bias | None) -> _Sides:
        require_scenarios(twin, reading.a, reading.b)
        quality = reading.estimand.quality
        return cls(
            twin,
            reading,
            grid,
            None if quality is None else quality.weights(twin),
            None if bias is None else _Confounded.of(twin, reading, bias),
        )

    @property
    def side(self) -> str:
        return SUMMARIES[self.reading.estimand.summary][0]

    @property
    def compare(self) -> Callable[[Floats, Floats], Floats]:
        return _COMPARISONS[SUMMARIES[self.reading.estimand.summary][1]]

    def levels(self, i: int, drawn: PatientDraws, nodes: Floats) -> tuple[Floats, Floats]:
        """(time, draw) of patient `i` under each scenario."""
        a, b = self.reading.a, self.reading.b
        drawn = self._unblocked(drawn)
        one, two = drawn, drawn
        if self.confounded is not None:
            one, two = self.confounded.true(drawn)
        return (
            self._level(*self.twin.followed(i, a, nodes, one)),
            self._level(*self.twin.followed(i, b, nodes, two)),
        )

    def _unblocked(self, drawn: PatientDraws) -> PatientDraws:
        """Close the ways into states that a hypothetical strategy removes."""
        endpoint = self.reading.endpoint
        if not endpoint.blocked:
            return drawn
        rate = drawn.population.rate * endpoint.open_intensities[:, None, None]
        return replace(drawn, population=replace(drawn.population, rate=rate))

    def _level(self, path: Path, curves: CurvesOnPaths | None) -> Floats:
        endpoint = self.reading.endpoint
        if self.weights is not None:
            lived = self.weights.along(path, curves).time_until
            return self.grid.read_off(path.nodes, lived)
        if self.side == "state_occupation":
            return self.grid.read_off(path.nodes, endpoint.occupation(path))
        risk = endpoint.risk(path)
        if self.side == RMST:
            free = 1.0 - risk
            area = 0.5 * np.diff(path.nodes)[:, None] * (free[1:] + free[:-1])
            total = np.concatenate([np.zeros((1, free.shape[1])), np.cumsum(area, axis=0)])
            return self.grid.read_off(path.nodes, total)
        now = self.grid.read_off(path.nodes, risk)
        return now if self.side == "risk" else 1.0 - now


@dataclass(frozen=True)
class _Confounded:
    """Hazard ratios without the bias: of treatments, and of covariates that `a` sets."""

    effects: tuple[int, ...]
    intensities: tuple[int, ...]
    draws: Floats

    @classmethod
    def of(cls, twin: Twin, reading: Reading, bias: Bias) -> _Confounded:
        graph, contrasted = twin.spec.graph, reading.contrasted
        labels = bias.on(graph, reading.endpoint.states)
        treatments = [t.name for t in graph.treatments if t.name in contrasted]
        effects = tuple(
            k
            for k, e in enumerate(graph.effects)
            if e.treatment in treatments and e.transition in labels
        )
        covariates = [c for c in contrasted if c not in treatments]
        acts = sorted({e.transition for e in graph.effects if e.treatment in treatments})
        idle = [x for x in bias.transitions or (() if effects else labels) if x not in acts]
        if idle and not covariates:
            raise TwinError(
                f"Bias: {' and '.join(treatments) or 'nothing compared'} has no effect on "
                f"{', '.join(idle)} in this model. It acts on: {', '.join(acts) or 'nothing'}."
            )
        moved = tuple(graph.labels.index(x) for x in labels) if covariates else ()
        return cls(effects, moved, bias.draws(twin.population.n_draws))

    def true(self, drawn: PatientDraws) -> tuple[PatientDraws, PatientDraws]:
        """The draws of one patient under each scenario."""
        factor, ratios = np.exp(-self.draws), drawn.ratios
        effect, hazard = ratios.effect.copy(), ratios.hazard.copy()
        effect[list(self.effects)] *= factor
        hazard[list(self.intensities)] *= factor
        two = replace(drawn, ratios=replace(ratios, effect=effect))
        return replace(drawn, ratios=replace(ratios, effect=effect, hazard=hazard)), two


def _standardised(
    sides: _Sides, weights: PatientWeights, keep_draws: bool
) -> tuple[Data, tuple[str, ...]]:
    """Summaries of every patient, subgroup and all; memory holds a few patients' draws."""
    twin, grid = sides.twin, sides.grid
    mine = twin.cohort.patients[SUBGROUP].astype(str).to_numpy()
    groups = tuple(sorted(set(mine)))
    sums = Sums(len(groups), len(grid.times), weights.n_draws)
    names = (f"{sides.side}_a", f"{sides.side}_b", sides.reading.estimand.summary)
    rows: dict[str, list[Floats]] = {name: [] for name in names}

    def work(
        i: int, drawn: PatientDraws, nodes: Floats
    ) -> tuple[Floats, Floats, dict[str, Floats]]:
        a, b = sides.levels(i, drawn, nodes)
        found = _summaries(sides, names, a, b)
        if drawn.weights is not None and len(twin.patient_ids) > 1:
            # Weights reorder the draws of one patient; means need the same draw of everybody.
            a, b = sides.levels(i, twin.unweighted(i), nodes)
        return a, b, found

    scenarios = sides.reading.a, sides.reading.b
    parts_of = each_patient(twin, scenarios, float(grid.times[-1]), grid, work)
    for i, (a, b, found) in enumerate(parts_of):
        sums.add(groups.index(mine[i]), a, b, weights.of(twin.patient_ids[i]))
        for name in names:
            rows[name].append(found[name])
    data: Data = {}
    for name in names:
        with_bounds(data, name, (PATIENT, TIME), np.stack(rows[name]))
    levels = sums.groups
    parts = [_summaries(sides, names, *levels[:, g]) for g in range(len(groups))]
    for name in names:
        with_bounds(data, f"subgroup_{name}", (SUBGROUP, TIME), np.stack([p[name] for p in parts]))
        with_bounds(data, f"overall_{name}", (TIME,), _summaries(sides, names, *sums.overall)[name])
    if keep_draws:
        data[f"subgroup_{names[2]}_draws"] = (
            (SUBGROUP, TIME, SAMPLE),
            np.stack([sides.compare(*levels[:, g]) for g in range(len(groups))]),
        )
        data[f"overall_{names[2]}_draws"] = ((TIME, SAMPLE), sides.compare(*sums.overall))
    return data, groups


def _summaries(
    sides: _Sides, names: tuple[str, str, str], a: Floats, b: Floats
) -> dict[str, Floats]:
    """(time, 3) of both sides and of their comparison, each from (time, draw)."""
    tails, effect = sides.grid.tails, sides.compare(a, b)
    out = {name: summarise(x[None], *tails)[0] for name, x in zip(names[:2], (a, b), strict=True)}
    if sides.compare is _difference:
        return out | {names[2]: summarise(effect[None], *tails)[0]}
    defined = (np.isfinite(effect) & (effect > 0.0)).all(axis=1)
    logs = np.log(np.where(defined[:, None], effect, 1.0))
    found = np.exp(summarise(logs[None], *tails)[0])
    return out | {names[2]: np.where(defined[:, None], found, np.nan)}


def _difference(a: Floats, b: Floats) -> Floats:
    return a - b


def _ratio(a: Floats, b: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Floats = a / b
    return out


def _hazard_ratio(a: Floats, b: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Floats = np.log(a) / np.log(b)
    return out


_COMPARISONS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "difference": _difference,
    "ratio": _ratio,
    "hazard_ratio": _hazard_ratio,
}


def _attrs(
    reading: Reading,
    chosen: Chosen,
    population: str,
    bias: Bias | None,
    labels: Mapping[str, str],
) -> dict[str, str]:
    left_out = "; ".join(f"{n} {reason}" for reason, n in chosen.excluded.items())
    return {
        "estimand": reading.told(labels),
        "summary": reading.estimand.summary,
        "scenario_a": reading.a.told(labels),
        "scenario_b": reading.b.told(labels),
        "population": population,
        "bias": "none" if bias is None else bias.label,
        "left_out": left_out or "nobody",
    }


def _with_support(dataset: xr.Dataset, support: Support) -> xr.Dataset:
    """Put the support of every subgroup beside its effect."""
    table = support.table.loc[[str(g) for g in dataset[SUBGROUP].to_numpy()]]
    columns = {str(c): ((SUBGROUP,), table[c].to_numpy()) for c in table.columns}
    columns["support"] = ((SUBGROUP,), table["support"].to_numpy(dtype=object))
    n = int(table["n_patients"].sum())
    return dataset.assign(columns).assign_attrs(support=support.overall, patients=n)
