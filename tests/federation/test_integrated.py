"""Patients with effects of their own: integrals, scales, quadratic functions, and a whole study."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy import integrate, stats

import twinbayes as tb
from chance import drawn_seed
from federation_study import driven
from joint_settings import SETTINGS
from joint_simulator import draw_parameters, draw_record, learn, log_likelihood
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.errors import FederationError
from twinbayes.federation import Study
from twinbayes.federation.agreement.markers import MarkerFacts
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.joint.quadratic import Directions, Quadratic
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.likelihood.integrated import (
    NOWHERE,
    IntegratedLikelihood,
    normal_rule,
)
from twinbayes.federation.likelihood.scales import scale_of
from twinbayes.model import (
    HSGP,
    CubicSpline,
    Learnt,
    ModelSpec,
    NaturalSpline,
    Polynomial,
    PowerPrior,
)
from twinbayes.model.assemble import assemble_population
from twinbayes.model.events.crude import Crude


def coordinates_of(spec: ModelSpec, learnt: Learnt, cohort: tb.Cohort) -> Coordinates:
    crude = Crude(spec.plan(cohort, learnt).events)
    counts = Counts(crude.events, crude.days, len(learnt.encoding.subgroups))
    model = assemble_population(spec, learnt, tb.load_priors(spec.priors), counts)
    return Coordinates.of(spec, learnt, model)


@pytest.mark.parametrize("setting", list(SETTINGS.values()), ids=list(SETTINGS))
def test_the_likelihood_is_the_integral_over_each_patients_curve(setting: Any) -> None:
    """Against another implementation of the density, on a product of Gauss-Hermite points."""
    generator = np.random.default_rng(drawn_seed())
    truth = draw_parameters(setting, generator)
    record = draw_record(setting, truth, generator)
    learnt = learn(setting)
    coordinates = coordinates_of(setting.spec, learnt, record.cohort)
    local = IntegratedLikelihood(setting.spec, learnt, coordinates, record.cohort)
    parts = [b.scale.inward(np.asarray(truth[b.name])[None]) for b in coordinates.blocks]
    found = local.totals(np.concatenate(parts, axis=1))[0, 0]
    assert found == pytest.approx(by_quadrature(setting, truth, record), abs=0.1)


def by_quadrature(setting: Any, truth: dict[str, np.ndarray], record: Any) -> float:
    """Importance sampling with very many points would do too: points are moved to each mode."""
    nodes, weights = hermegauss(40)
    natural = truth["patient_sd"]
    root = np.linalg.cholesky(truth["patient_correlation"] * np.outer(natural, natural))
    treated = record.patients["d_penicillamine"].to_numpy()
    group = record.patients["subgroup"].map(learn(setting).encoding.subgroups.index).to_numpy()
    scale = natural_units(setting)
    mean = truth["curve_effect"][0] + treated[:, None] * truth["curve_effect"][1]
    mean = mean + truth["curve_subgroup_effect"].T[group] * scale
    n = len(mean)

    alone = [_alone(record, i) for i in range(n)]

    def density(z: np.ndarray) -> np.ndarray:
        """(patient, point) log density of records and standard normal z (patient, point, 2)."""
        curves = mean[:, None] + z @ root.T
        each = [
            log_likelihood(setting, {**truth, "patient_curve": c[:, None]}, own)
            for c, own in zip(curves, alone, strict=True)
        ]
        return np.asarray(np.stack(each) + stats.norm.logpdf(z).sum(axis=-1))

    at, size = np.zeros((n, 2)), 1e-3
    steps = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1]]) * size
    for _ in range(60):
        f = density(at[:, None] + steps)
        g = np.stack([f[:, 1] - f[:, 2], f[:, 3] - f[:, 4]], axis=1) / (2 * size)
        a, b = (f[:, 2 * k + 1] + f[:, 2 * k + 2] - 2 * f[:, 0] for k in (0, 1))
        c = f[:, 5] - f[:, 1] - f[:, 3] + f[:, 0]
        h = -np.stack([np.stack([a, c], -1), np.stack([c, b], -1)], -2) / size**2
        step = np.linalg.solve(h, g[..., None])[..., 0]
        at = at + step / np.maximum(1.0, np.linalg.norm(step, axis=1, keepdims=True))
    spread = np.linalg.cholesky(np.linalg.inv(h))
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
    log_weight = np.log(np.outer(weights, weights).ravel() / (2 * np.pi))
    z = at[:, None] + np.einsum("pij,gj->pgi", spread, grid)
    inside = density(z) - stats.norm.logpdf(grid).sum(axis=-1) + log_weight
    size = np.log(np.diagonal(spread, axis1=1, axis2=2)).sum(axis=1)
    return float((np.logaddexp.reduce(inside, axis=1) + size).sum())


def natural_units(setting: Any) -> np.ndarray:
    (marker,) = learn(setting).curves.markers
    return np.asarray(marker.natural())


def _alone(record: Any, i: int) -> Any:
    """What is on record of one patient."""
    mine = record.visit_patient == i
    return replace(
        record,
        patients=record.patients.iloc[[i]].reset_index(drop=True),
        stop=record.stop[[i]],
        cause=record.cause[[i]],
        visit_patient=np.zeros(mine.sum(), dtype=int),
        visit_day=record.visit_day[mine],
        visit_value=record.visit_value[mine],
    )


def test_a_frailty_is_integrated_out() -> None:
    """Against adaptive quadrature of the density of counts in exposed time."""
    spec = tb.disease("cgd")
    cohort = synthetic_cohort(spec, n_patients=30, seed=drawn_seed())
    plan = spec.plan(cohort)
    coordinates = coordinates_of(spec, plan.learnt, cohort)
    rng = np.random.default_rng(drawn_seed())
    values = np.zeros((1, coordinates.size))
    frailty = coordinates.places["frailty_effect"]
    values[:, coordinates.places["log_baseline"]] = -6.0
    values[0, frailty] = rng.uniform(0.3, 1.2, frailty.stop - frailty.start)
    local = IntegratedLikelihood(spec, plan.learnt, coordinates, cohort)
    without = values.copy()
    without[0, frailty] = 1e-9
    own = local.by_patient(without)[:, 0]
    rows = plan.events.rows
    assert len(spec.graph.labels) == 1, "one hazard, so that counts and times suffice"
    effect = values[0, frailty][0]
    for i, found in enumerate(local.by_patient(values)[:, 0]):
        mine = rows.patient == i
        events, hazard = rows.is_event[mine].sum(), 0.0
        hazard = float((rows.stop - rows.start)[mine].sum() * np.exp(-6.0))
        assert own[i] == pytest.approx(-6.0 * events - hazard, abs=1e-6)
        expected = integrate.quad(
            lambda b, n=events, h=hazard: (
                np.exp(n * effect * b - h * np.exp(effect * b)) * stats.norm.pdf(b)
            ),
            -9.0, 9.0, epsabs=0.0, epsrel=1e-10, limit=200,
        )[0]  # fmt: skip
        assert found == pytest.approx(np.log(expected) - 6.0 * events, abs=1e-6)


def test_patients_of_a_discounted_source_count_for_less() -> None:
    spec = tb.disease("cgd")
    cohort = synthetic_cohort(spec, n_patients=30, seed=drawn_seed())
    source = cohort.subgroups[0]
    pooling = PowerPrior(source=source, power=0.25)
    less = replace(spec, events=replace(spec.events, subgroup=pooling))
    learnt = less.plan(cohort).learnt
    coordinates = coordinates_of(less, learnt, cohort)
    values = np.zeros((2, coordinates.size))
    values[:, coordinates.places["log_baseline"]] = -6.0
    values[:, coordinates.places["frailty_effect"]] = [[0.5], [1.0]]
    local = IntegratedLikelihood(less, learnt, coordinates, cohort)
    counts = np.where(cohort.patients["subgroup"].astype(str) == source, 0.25, 1.0)
    assert 0 < (counts < 1.0).sum() < len(counts)
    expected = counts @ local.by_patient(values)
    np.testing.assert_allclose(local.totals(values)[:, 0], expected, rtol=1e-10)


def test_power_priors_beside_curves_are_refused() -> None:
    spec = tb.disease("pbc")
    pooling = PowerPrior(source="history", power=0.5)
    spec = replace(spec, events=replace(spec.events, subgroup=pooling))
    with pytest.raises(FederationError, match="power prior"):
        Study(spec, ("north", "south", "west"))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_correlations_come_back_from_coordinates_without_bounds(n: int) -> None:
    rng = np.random.default_rng(drawn_seed())
    scale, root = scale_of("patient_correlation"), rng.normal(size=(50, n, n + 2))
    whole = root @ np.swapaxes(root, 1, 2)
    sd = np.sqrt(np.diagonal(whole, axis1=1, axis2=2))
    whole = whole / sd[:, :, None] / sd[:, None, :]
    values = scale.inward(whole)
    assert values.shape == (50, n * (n - 1) // 2)
    np.testing.assert_allclose(scale.outward(values, (n, n)), whole, atol=1e-12)
    if n > 1:
        told = scale.tensor(np_tensor(whole[0]), (n, n)).eval()
        np.testing.assert_allclose(told, values[0], atol=1e-12)


def np_tensor(values: np.ndarray) -> Any:
    import pytensor.tensor as pt

    return pt.as_tensor(values)


@pytest.mark.parametrize("width", [0, 1, 2, 3, 4, 6])
def test_points_and_weights_stand_for_a_normal_distribution(width: int) -> None:
    points, weights = normal_rule(width)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights @ points, np.zeros(width), atol=1e-12)
    np.testing.assert_allclose((points.T * weights) @ points, np.eye(width), atol=1e-12)
    np.testing.assert_allclose(weights @ points**3, np.zeros(width), atol=1e-12)


def test_a_quadratic_function_is_found_from_its_values() -> None:
    rng = np.random.default_rng(drawn_seed())
    n, r = 7, 5
    along, centre = rng.normal(size=(n, r)), rng.normal(size=n)
    place = Directions(centre, along)
    a = rng.normal(size=(r, r))
    truth = Quadratic(place, 3.0, rng.normal(size=r), -a @ a.T)
    asked = place.stencil(0.5)
    assert len(asked) == 1 + r + r * (r + 1) // 2
    found = Quadratic.through(place, asked, truth.at(asked))
    np.testing.assert_allclose(found.curvature, truth.curvature, atol=1e-8)
    elsewhere = place.outward(rng.normal(size=(20, r)))
    np.testing.assert_allclose(found.at(elsewhere), truth.at(elsewhere), rtol=1e-8)
    among = Directions.among(place.outward(rng.normal(size=(400, r))))
    assert among.size == r
    few = among.outward(rng.normal(size=(8, r)))
    near = Quadratic.through(among, few, truth.at(few) + 0.7, before=truth)
    np.testing.assert_allclose(near.at(few), truth.at(few) + 0.7, atol=0.05)
    there, _ = truth.mode(centre, 1e-12 * np.eye(r), 1e12)
    top = centre + along @ np.linalg.solve(a @ a.T, truth.slope)
    np.testing.assert_allclose(there.centre, top, rtol=1e-5)


@pytest.mark.parametrize(
    "basis", [Polynomial(degree=2), NaturalSpline(df=3), CubicSpline(df=4), HSGP(m=12)]
)
def test_knots_and_scales_from_sums_are_near_those_of_all_visits(basis: Any) -> None:
    spec = tb.disease("pbc")
    assert spec.trajectories is not None
    (marker,) = spec.trajectories.markers
    curves = replace(spec.trajectories, markers=(replace(marker, basis=basis),))
    spec = replace(spec, trajectories=curves)
    cohort = synthetic_cohort(spec, n_patients=80)
    facts = MarkerFacts(spec)
    parts = [cohort.select(list(cohort.patient_ids[k::3])) for k in range(3)]
    (found,) = facts.scales(sum(facts.of_site(part) for part in parts))
    learnt = spec.plan(cohort).learnt.curves
    assert learnt is not None
    (expected,) = learnt.markers
    assert found.centre == pytest.approx(expected.centre)
    assert found.scale == pytest.approx(expected.scale)
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.column_scale, expected.column_scale, rtol=0.25)


def test_units_of_turns_are_those_of_all_visits() -> None:
    """A turn's prior is in the root mean square of its column over visits."""
    spec = tb.disease("cml")
    cohort = synthetic_cohort(spec, n_patients=60, seed=drawn_seed())
    facts = MarkerFacts(spec)
    parts = [cohort.select(list(cohort.patient_ids[k::3])) for k in range(3)]
    (found,) = facts.scales(sum(facts.of_site(part) for part in parts))
    (turn,) = found.turns
    assert cohort.visits is not None
    begins = cohort.events[cohort.events["event"] == turn.what].groupby("patient_id")["day"].min()
    since = (cohort.visits["day"] - cohort.visits["patient_id"].map(begins)).to_numpy() / 365.25
    risen = np.where(since > 0.0, 1.0 - 0.5 ** (since / turn.half_time), 0.0)
    assert found.column_scale[-1] == pytest.approx(np.sqrt((risen**2).mean()))
    on = cohort.visits["patient_id"][since >= 0.0].nunique()
    assert np.sum([facts.patients(part) for part in parts], axis=0)[1] == on


@pytest.mark.parametrize("noise", [1e10, -1e10])
def test_sums_of_masks_that_do_not_cancel_are_refused_at_once(noise: float) -> None:
    """They were taken for that many visits, for which there is no memory."""
    spec = tb.disease("pbc")
    facts = MarkerFacts(spec)
    total = facts.of_site(synthetic_cohort(spec, n_patients=40))
    total[-30] += noise
    with pytest.raises(FederationError, match="another key"):
        facts.scales(total)


def test_models_without_curves_have_no_scales_of_markers() -> None:
    assert MarkerFacts(tb.disease("cgd")).scales(np.zeros(0)) == ()


def test_where_there_is_no_likelihood_one_that_can_be_summed_says_so() -> None:
    spec = tb.disease("pbc")
    cohort = synthetic_cohort(spec, n_patients=20, seed=drawn_seed())
    learnt = spec.plan(cohort).learnt
    coordinates = coordinates_of(spec, learnt, cohort)
    local = IntegratedLikelihood(spec, learnt, coordinates, cohort)
    usual = np.zeros((1, coordinates.size))
    usual[:, coordinates.places["log_baseline"]] = -8.0
    rng = np.random.default_rng(drawn_seed())
    absurd = rng.choice([-1e300, 1e300], (3, coordinates.size))
    with np.errstate(all="ignore"):
        totals = local.totals(np.concatenate([usual, absurd]))[:, 0]
    assert totals[0] == pytest.approx(local.totals(usual)[0, 0])
    assert np.isfinite(totals).all()
    assert (totals[1:] <= NOWHERE).all()


def test_covariates_of_curves_alone_are_refused() -> None:
    spec = tb.disease("pbc", covariates=(), curve_covariates=tb.disease("pbc").events.covariates)
    with pytest.raises(FederationError, match="on no hazard"):
        Study(spec, ("north", "south", "west"))


def test_markers_of_few_patients_are_refused(tmp_path: Any) -> None:
    spec = tb.disease("pbc")
    whole = synthetic_cohort(spec, n_patients=60)
    some = set(whole.patient_ids[:4])
    assert whole.visits is not None
    cohort = cohort_from_tables(
        "few",
        {
            "patients": whole.patients,
            "events": whole.events,
            "variables": whole.variables,
            "visits": whole.visits[whole.visits.patient_id.isin(some)],
        },
        simulated=True,
    )
    parts = [cohort.select(list(cohort.patient_ids[k::3])) for k in range(3)]
    sites = dict(zip(("north", "south", "west"), parts, strict=True))
    with pytest.raises(FederationError, match="values of bilirubin"):
        driven(Study(spec, tuple(sites), draws=400), sites, tmp_path)


@pytest.mark.slow
def test_a_joint_model_of_three_sites_is_that_of_all_patients(tmp_path: Any) -> None:
    spec = tb.disease("pbc")
    seed = drawn_seed()
    cohort = synthetic_cohort(spec, n_patients=120, seed=seed)
    parts = [cohort.select(list(cohort.patient_ids[k::3])) for k in range(3)]
    sites = dict(zip(("north", "south", "west"), parts, strict=True))
    told = driven(Study(spec, tuple(sites), seed=seed), sites, tmp_path)
    posterior = told.posterior
    assert posterior is not None
    assert posterior.verdict.usable, posterior
    fit = tb.fit(spec, cohort, seed=seed, progressbar=False)
    for name in ("association", "patient_sd", "marker_sd", "beta"):
        ours, theirs = (
            d["posterior"][name].stack(s=("chain", "draw"))
            for d in (posterior.datatree, fit.datatree)
        )
        sd = theirs.std("s")
        assert float((abs(ours.mean("s") - theirs.mean("s")) / sd).max()) < 0.2
    mine = posterior.at_site(parts[0]).twin(at=0)
    assert np.isfinite(mine.forecast(until=365.0)["survival"]).all()
