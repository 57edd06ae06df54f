"""Slopes and shapes beside a level: against brute force, and learnt where records bear them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import twinbayes as tb
from chance import drawn_seed
from fits_of_priors import fit_of_priors
from twinbayes.inference import Fit
from twinbayes.model import Term
from twinbayes.monitoring import TransportPrior, observed_expected
from twinbayes.monitoring.transport.choosing import Chooser
from twinbayes.monitoring.transport.learning import LEVEL, SHAPE, SLOPE, Level
from twinbayes.monitoring.transport.levels import straight_quantile
from twinbayes.monitoring.transport.shapes import Shape
from twinbayes.monitoring.transport.slopes import Slope
from twinbayes.monitoring.transport.tally import Exposure, Tally
from twinbayes.names import POSTERIOR, TRANSPORT, TRANSPORT_SHAPE, TRANSPORT_SLOPE

SEED = drawn_seed(__name__)
PRIOR = TransportPrior()
AGE = Term(name="age_years", group="clinical")


def level(like: float = 0.2, prior: TransportPrior = PRIOR) -> Level:
    return Level(prior, np.array([[like]]))


def mixture(grid: np.ndarray, like: float, prior: TransportPrior = PRIOR) -> np.ndarray:
    """Log density of the prior of a level."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(
            np.log(prior.agreement) + norm.logpdf(grid, 0.0, like),
            np.log1p(-prior.agreement) + norm.logpdf(grid, 0.0, prior.unlike),
        )


@pytest.fixture(scope="module")
def fit() -> Fit:
    """Of one covariate whose effect is known to be large."""
    registry = tb.datasets.simulated_registry()
    here = registry.patients["centre"] != "centre_A"
    cohort = registry.select(registry.patients.loc[here, "patient_id"].tolist())
    spec = tb.disease("survival", covariates=(AGE,)).ignoring("complete_remission", "relapse")
    made = fit_of_priors(spec, cohort, seed=SEED, draws=600)
    tree = made.datatree.copy(deep=True)
    tree[POSTERIOR]["beta"] = 0.9 + 0.05 * tree[POSTERIOR]["beta"]
    return replace(made, datatree=tree)


@pytest.fixture(scope="module")
def chooser(fit: Fit) -> Chooser:
    registry = tb.datasets.simulated_registry()
    there = registry.patients["centre"] == "centre_A"
    cohort = registry.select(registry.patients.loc[there, "patient_id"].tolist())
    exposure = Exposure.of(fit, cohort).thinned(60)
    return Chooser(exposure, level(), np.ones(1, dtype=bool), np.arange(cohort.n_patients))


def test_what_a_slope_expects_is_that_of_its_tally(chooser: Chooser) -> None:
    """Between the points at which it is known, at any slope within four sd."""
    tally = chooser.tally(SLOPE)
    slope = Slope.of(level(), PRIOR.slope, lambda b: chooser.tally(SLOPE, slope=b))
    for b in np.random.default_rng(SEED).uniform(0.0, 2.0, 12):
        wanted = chooser.tally(SLOPE, slope=float(b)).expected
        np.testing.assert_allclose(slope._tally(tally, float(b)).expected, wanted, rtol=1e-5)


@pytest.mark.parametrize("times", [0.2, 1.0, 20.0])
def test_evidence_of_slopes_is_that_of_brute_force(chooser: Chooser, times: float) -> None:
    exact: dict[float, Tally] = {}

    def tally_at(b: float) -> Tally:
        if b not in exact:
            exact[b] = chooser.tally(SLOPE, slope=b)
        return exact[b]

    plain = tally_at(1.0)
    n = np.round(times * plain.expected.mean(axis=0) * np.array([0.5, 1.0, 1.5]))
    tally = replace(plain, observed=n)
    found = Slope.of(level(), PRIOR.slope, tally_at).log_evidence(tally)
    slopes, levels = np.linspace(-0.1, 2.1, 111), np.linspace(-5.0, 6.0, 4001)
    prior = mixture(levels, 0.2)
    for s in (0, 25, 59):
        logs = []
        for b in slopes:
            e = tally_at(float(b)).expected[s]
            log = n.sum() * levels - e.sum() * np.exp(levels) + prior
            logs.append(
                (n * np.log(np.maximum(e, 1e-300))).sum()
                + logsumexp(log) + norm.logpdf(b, 1.0, PRIOR.slope)
            )  # fmt: skip
        total = logsumexp(logs) + np.log((slopes[1] - slopes[0]) * (levels[1] - levels[0]))
        assert found[s] == pytest.approx(total, abs=2e-4 * max(1.0, abs(total) * 0.01)), SEED


@pytest.mark.parametrize(
    ("n", "expected"),
    [((0.0, 0.0), (4.0, 2.0)), ((3.0, 0.0, 1.0), (1.0, 5.0, 2.0)), ((40.0, 12.0), (10.0, 10.0)),
     ((3000.0, 2.0, 40.0), (10.0, 10.0, 10.0)), ((400.0, 1800.0), (5.0, 4.0))],
)  # fmt: skip
@pytest.mark.parametrize("like", [0.02, 0.3])
def test_evidence_and_draws_of_shapes_are_those_of_brute_force(
    n: tuple[float, ...], expected: tuple[float, ...], like: float
) -> None:
    """Integrated over level and stretches on fixed grids; means of draws within five errors."""
    size = 1500
    means = np.tile(np.array(expected)[None, None, None, :, None], (size, 1, 1, 1, 1))
    tally = Tally(np.array(n)[None, None, :, None], means)
    shape = Shape(level(like), PRIOR.shape)
    levels = np.linspace(-6.0, 8.0, 2801)
    away = np.linspace(-14.0, 14.0, 1401) * PRIOR.shape
    prior = norm.logpdf(away, 0.0, PRIOR.shape) + np.log(away[1] - away[0])
    at = levels[:, None] + away
    total = mixture(levels, like)
    for count, mean in zip(n, expected, strict=True):
        log = count * (at + np.log(mean)) - mean * np.exp(at) + prior
        total = total + logsumexp(log, axis=1)
    wanted = logsumexp(total) + np.log(levels[1] - levels[0])
    found = shape.log_evidence(tally)[0]
    assert found == pytest.approx(wanted, abs=1e-3)
    taught = shape.draw(tally, np.arange(size), np.random.default_rng(SEED))
    weight = np.exp(total - logsumexp(total))
    mean = (weight * levels).sum()
    sd = np.sqrt((weight * (levels - mean) ** 2).sum())
    assert abs(taught.level.mean() - mean) < 5.0 * sd / np.sqrt(size) + 1e-3
    assert taught.level.std() == pytest.approx(sd, rel=5.0 * 1.2 / np.sqrt(size))
    assert taught.shape is not None
    for p, (count, mean_p) in enumerate(zip(n, expected, strict=True)):
        if count > 100.0:
            there = taught.level[:, 0] + taught.shape[:, 0, p]
            assert there.mean() == pytest.approx(np.log(count / mean_p), abs=0.1)


def test_quantiles_of_straight_densities_are_exact() -> None:
    """A triangle on 0 to 1: x squared is the probability below x."""
    share = np.random.default_rng(SEED).random(50)
    density = np.repeat(np.linspace(0.0, 1.0, 11)[:, None], 50, axis=1)
    at = straight_quantile(np.zeros(50), np.full(50, 0.1), density, share)
    np.testing.assert_allclose(at, np.sqrt(share), atol=1e-12)


def test_a_slope_or_a_shape_is_chosen_where_records_bear_it_out(
    chooser: Chooser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many events, with half the slope, or with twice and half the hazard early and late."""
    rng, many = np.random.default_rng(SEED), 40.0
    plain = Chooser.tally
    worlds = {
        LEVEL: chooser.tally(SHAPE, scored=True),
        SLOPE: chooser.tally(SLOPE, slope=0.4, scored=True),
        SHAPE: chooser.tally(SHAPE, scored=True),
    }
    for truth, world in worlds.items():
        mean = world.expected.mean(axis=0) * many
        if truth == SHAPE:
            mean = mean * np.geomspace(2.5, 0.4, mean.shape[2])[:, None]
        n = rng.poisson(mean).astype(float)

        def counted(self: Chooser, *args: Any, n: np.ndarray = n, **options: Any) -> Tally:
            found = plain(self, *args, **options)
            return Tally(n, found.expected * many)

        monkeypatch.setattr(Chooser, "tally", counted)
        scores = chooser.scores(SHAPE)
        assert chooser.chosen(scores) == truth, (SEED, scores)
        assert set(scores) == {"as is", LEVEL, SLOPE, SHAPE}
        monkeypatch.setattr(Chooser, "tally", plain)


@pytest.mark.parametrize("learns", [SLOPE, SHAPE])
def test_what_was_learnt_is_in_the_hazards_of_the_moved_fit(
    fit: Fit, learns: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(Chooser, "chosen", lambda *_: learns)
    registry = tb.datasets.simulated_registry()
    ids = registry.patients.loc[registry.patients["centre"] == "centre_A", "patient_id"]
    there = registry.select(ids.tolist())
    out = fit.transport(there, learns=learns, seed=SEED)
    told = out.manifest[TRANSPORT]
    assert (told["asked"], told["learnt"]) == (learns, learns)
    posterior = out.datatree[POSTERIOR]
    if learns == SLOPE:
        assert 0.0 < float(posterior[TRANSPORT_SLOPE].mean()) < 2.0
        ratio = (posterior["beta"] / posterior[TRANSPORT_SLOPE]).mean()
        assert float(ratio) == pytest.approx(float(fit.datatree[POSTERIOR]["beta"].mean()), abs=0.1)
        assert "covariate_scale" not in posterior
    else:
        assert float(abs(posterior[TRANSPORT_SHAPE]).max()) > 0.0
    table = observed_expected({"moved": out}, there).set_index("transition")
    assert 0.6 < table.loc["all", "ratio"] < 1.6
    back: Any = tb.load_fit(out.save(tmp_path / "m.nc"))
    assert back.datatree[POSTERIOR].equals(posterior)


def test_more_than_the_level_has_to_be_better_by_a_margin(chooser: Chooser) -> None:
    assert chooser.chosen({}) == LEVEL
    assert chooser.chosen({"as is": 9.0, LEVEL: 0.0, SLOPE: 0.9, SHAPE: 0.5}) == LEVEL
    assert chooser.chosen({"as is": 9.0, LEVEL: 0.0, SLOPE: 1.1, SHAPE: 1.4}) == SHAPE
