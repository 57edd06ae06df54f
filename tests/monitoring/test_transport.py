"""A fit moved to a new place: what is counted, how draws are weighed, and what comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinbayes as tb
from chance import drawn_seed
from fits_of_priors import fit_of_priors
from twinbayes.diseases.leukaemia import acute_leukaemia
from twinbayes.errors import FitError, OptionError, TransportWarning
from twinbayes.inference import Fit, SharedFit
from twinbayes.model import (
    EventProcess,
    ModelSpec,
    NoPooling,
    PiecewiseConstant,
    StateGraph,
    Term,
    Transition,
)
from twinbayes.monitoring import TransportPrior, count_stream, observed_expected, transport_fit
from twinbayes.monitoring.transport.choosing import Chooser
from twinbayes.monitoring.transport.learning import Level
from twinbayes.monitoring.transport.levels import LevelPosterior
from twinbayes.monitoring.transport.moving import Reweighted
from twinbayes.monitoring.transport.tally import Exposure, Tally, one_cell
from twinbayes.names import POSTERIOR, TRANSPORT, TRANSPORT_LEVEL

SEED = drawn_seed(__name__)
NEW = "centre_B"
AGE = Term(name="age_years", group="clinical")
ECOG = Term(name="ecog", group="clinical")
FEW = PiecewiseConstant(windows=3)


def transition(source: str, target: str, event: str) -> Transition:
    return Transition(source=source, target=target, event=event, baseline=FEW)


GRAPHS = {
    "competing risks": StateGraph(
        states=("well", "relapsed", "dead"),
        transitions=(
            transition("well", "relapsed", "relapse"), transition("well", "dead", "death"),
        ),
    ),
    "illness-death": StateGraph(
        states=("well", "relapsed", "dead"),
        transitions=(
            transition("well", "relapsed", "relapse"), transition("well", "dead", "death"),
            transition("relapsed", "dead", "death"),
        ),
    ),
    "leukaemia": acute_leukaemia("exchangeable", FEW),
}  # fmt: skip


def registry(*centres: str, without: bool = False) -> tb.Cohort:
    cohort = tb.datasets.simulated_registry()
    is_there = cohort.patients["centre"].isin(centres) != without
    return cohort.select(cohort.patients.loc[is_there, "patient_id"].tolist())


def with_patients(cohort: tb.Cohort, **columns: Any) -> tb.Cohort:
    tables = {**cohort.tables, "patients": cohort.patients.assign(**columns)}
    return tb.cohort_from_tables("t", tables, simulated=True, source={"note": "test"})


@pytest.fixture(scope="module")
def moved(survival: Fit, there: tb.Cohort) -> SharedFit:
    out: SharedFit = survival.transport(there, seed=SEED)
    return out


@pytest.fixture(scope="module", params=list(GRAPHS))
def any_fit(request: pytest.FixtureRequest) -> Fit:
    spec = ModelSpec(
        name="any", title="Any", priors="registry",
        events=EventProcess(graph=GRAPHS[request.param], covariates=(AGE, ECOG)),
    )  # fmt: skip
    if request.param != "leukaemia":
        spec = spec.ignoring("complete_remission")
    return fit_of_priors(spec, registry(NEW, without=True), seed=SEED, draws=400)


def test_events_and_expectations_are_those_of_the_likelihood(any_fit: Fit) -> None:
    """With treatments, eras of entry and missing covariates, and in any cells."""
    there = registry(NEW)
    counts = count_stream(any_fit, there)
    exposure = Exposure.of(any_fit, there)
    block, parts, groups = one_cell(exposure)
    whole = exposure.tally(block, parts, groups)
    np.testing.assert_array_equal(whole.observed.sum(axis=(0, 2, 3)), counts.observed.sum(axis=0))
    np.testing.assert_allclose(
        whole.expected.sum(axis=(1, 3, 4)), counts.expected.sum(axis=1), rtol=1e-9
    )
    rng = np.random.default_rng(SEED)
    block = rng.integers(0, 2, there.n_patients)
    groups = rng.integers(0, 3, groups.shape)
    parts = tuple(np.arange(len(p)) // 2 for p in parts)
    cut = exposure.tally(block, parts, groups)
    for e in range(exposure.n_intensities):
        for g in range(3):
            who = (block == 1) & (groups[:, e] == g)
            np.testing.assert_allclose(
                cut.expected[:, 1, e, :, g].sum(axis=1), counts.expected[:, who, e].sum(axis=1),
                rtol=1e-9, atol=1e-12,
            )  # fmt: skip
            assert cut.observed[1, e, :, g].sum() == counts.observed[who, e].sum()
    np.testing.assert_allclose(cut.whole.expected.sum(axis=(3, 4)),
                               whole.expected.sum(axis=(3, 4)), rtol=1e-9)  # fmt: skip


def test_late_entry_takes_away_what_was_expected_before_it(survival: Fit, there: tb.Cohort) -> None:
    first = there.events.groupby("patient_id")["day"].min()
    days = np.minimum(30.0, there.patients["patient_id"].map(first).to_numpy() - 0.5)
    late = with_patients(there, entry_day=days)
    before = there.until(dict(zip(there.patient_ids, days, strict=True)))
    every, some, none = (
        Exposure.of(survival, c).tally(*one_cell(Exposure.of(survival, c)))
        for c in (there, late, before)
    )
    np.testing.assert_allclose(every.expected - none.expected, some.expected, rtol=1e-9)
    np.testing.assert_array_equal(every.observed, some.observed)
    assert survival.transport(late).verdict.usable


@pytest.mark.requirement("R-075")
def test_draws_are_weighed_as_by_brute_force(any_fit: Fit) -> None:
    """Evidence of counts, integrated over each level on a fixed grid, for all draws."""
    there = registry(NEW)
    exposure = Exposure.of(any_fit, there).thinned(20)
    tally = exposure.tally(*one_cell(exposure))
    like = np.full((20, exposure.n_intensities), 0.3)
    found = Level(TransportPrior(), like).log_evidence(tally)
    grid = np.linspace(-12.0, 12.0, 200_001)
    prior = 0.8 * np.exp(-0.5 * (grid / 0.3) ** 2) / 0.3 + 0.2 * np.exp(-0.5 * grid**2)
    for s in range(20):
        total = 0.0
        for e in range(exposure.n_intensities):
            n, mean = tally.observed[0, e].sum(), tally.expected[s, 0, e].sum()
            log = n * (grid + np.log(max(mean, 1e-300))) - mean * np.exp(grid)
            mass = (prior * np.exp(log - log.max())).sum() * (grid[1] - grid[0])
            total += log.max() + np.log(mass / np.sqrt(2.0 * np.pi))
        assert found[s] == pytest.approx(total, abs=1e-6 * abs(total)), SEED


def test_every_kind_of_disease_is_moved_and_comes_back_from_its_file(
    any_fit: Fit, tmp_path: Path
) -> None:
    there = registry(NEW)
    out = any_fit.transport(there, seed=SEED)
    assert out.learnt.encoding.centres == (NEW,)
    file = out.save(tmp_path / "moved.nc")
    back: Any = tb.load_fit(file)
    assert isinstance(back, SharedFit)
    assert back.verdict.reasons == out.verdict.reasons
    assert back.verdict.summary == out.verdict.summary
    assert back.manifest[TRANSPORT] == out.manifest[TRANSPORT]
    person = out.new_patient(subgroup="acute_erythroid", covariates={"age_years": 60})
    assert list(person.patients["centre"]) == [NEW]
    one, other = (f.twin(person).forecast(until=400.0) for f in (out, back))
    assert np.array_equal(one["survival"], other["survival"])
    assert not any(p.encode() in file.read_bytes() for p in there.patient_ids)
    tables = observed_expected({"as is": any_fit, "moved": out}, there)
    both = tables[(tables["transition"] == "all") & (tables["expected"] > 0)].set_index("fit")
    log = np.log(both["ratio"])
    assert abs(log["moved"]) <= abs(log["as is"]) + 1e-9


def test_a_moved_fit_forecasts_with_its_own_level(survival: Fit, moved: SharedFit) -> None:
    """Survival of one person written out: windows, age, subgroup, and nothing of other centres."""
    person = moved.new_patient(subgroup="acute_erythroid", covariates={"age_years": 60})
    forecast = moved.twin(person).forecast(until=300.0, grid=2)
    posterior = moved.datatree[POSTERIOR]
    assert "centre_effect" not in posterior
    design = moved.learnt.encoding.encode(person)
    log_ratio = design.values[0, 0] * posterior["beta"].to_numpy()[..., 0, 0]
    log_ratio = log_ratio + posterior["subgroup_effect"].sel(subgroup="acute_erythroid")[..., 0]
    edges = moved.learnt.edges[0].clip(max=300.0)
    rate = np.exp(posterior["log_baseline"].to_numpy()[:, :, 0, : len(edges) - 1])
    wanted = np.exp(-(rate @ np.diff(edges)) * np.exp(log_ratio)).mean()
    assert float(forecast["survival"][0, -1]) == pytest.approx(float(wanted), rel=1e-4)
    weights = moved.manifest[TRANSPORT]["effective_draws"]
    assert 400.0 <= weights <= 1000.0
    assert moved.verdict.summary["max_rhat"] == survival.without_patients().verdict.summary[
        "max_rhat"
    ]  # fmt: skip
    assert moved.verdict.table["max_rhat"].isna().all()


def test_a_fit_moved_by_data_of_its_own_stays_where_it_is(survival: Fit, there: tb.Cohort) -> None:
    """Of 100 sets of counts drawn under its draws: levels are 0 in the mean, O/E is 1."""
    rng = np.random.default_rng(SEED)
    exposure = Exposure.of(survival, there).thinned(250)
    tally = exposure.tally(*one_cell(exposure))
    model = Level(TransportPrior(), np.array([[0.2]]))
    levels, ratios = [], []
    for s in rng.integers(len(tally.expected), size=100):
        drawn = replace(tally, observed=rng.poisson(tally.expected[s]).astype(float))
        weights = Reweighted.of(model.log_evidence(drawn))
        taught = model.draw(drawn, weights.index, rng)
        levels.append(taught.level.mean())
        after = tally.expected[weights.index].sum(axis=(1, 2, 3, 4)) * np.exp(taught.level[:, 0])
        ratios.append(drawn.observed.sum() / after.mean())
    error = np.std(levels) / np.sqrt(len(levels))
    assert abs(np.mean(levels)) < 5.0 * error + 0.01
    assert np.mean(ratios) == pytest.approx(1.0, abs=5.0 * np.std(ratios) / np.sqrt(100) + 0.01)


def test_a_level_that_is_there_is_found(survival: Fit, there: tb.Cohort) -> None:
    """Counts three times as high as expected: the level is between what is expected and that."""
    exposure = Exposure.of(survival, there)
    tally = exposure.tally(*one_cell(exposure))
    n = np.round(3.0 * tally.expected.mean(axis=0))
    high = Tally(n, tally.expected)
    model = Level(TransportPrior(), np.array([[0.2]]))
    weights = Reweighted.of(model.log_evidence(high))
    level = model.draw(high, weights.index, np.random.default_rng(SEED)).level[:, 0]
    assert 0.7 * np.log(3.0) < level.mean() < np.log(3.0) + 0.05
    posterior = LevelPosterior.of(
        n.sum() * np.ones(1), tally.expected.mean(axis=0).sum() * np.ones(1),
        (np.full(1, 0.2), np.ones(1)), 0.8,
    )  # fmt: skip
    assert posterior.agreement[0] < 0.2


def test_an_era_moves_all_centres_and_keeps_them_apart(survival: Fit) -> None:
    cohort = registry(NEW, without=True)
    tables = {
        name: frame if name == "variables" else frame.assign(patient_id="Y" + frame["patient_id"])
        for name, frame in cohort.tables.items()
    }
    later = tb.cohort_from_tables("later", tables, simulated=True, source={"note": "test"})
    out = survival.transport(later)
    assert out.manifest[TRANSPORT]["centres"] is None
    assert out.learnt.encoding.centres == survival.encoding.centres
    before, after = survival.datatree[POSTERIOR], out.datatree[POSTERIOR]
    assert "centre_effect" in after
    level = after[TRANSPORT_LEVEL]
    assert float(level.std()) > 0.0
    person = out.new_patient(subgroup="acute_erythroid", covariates={})
    assert list(person.patients["centre"]) == ["new_centre"]
    assert before["log_baseline"].shape == after["log_baseline"].shape


def test_a_place_of_a_fit_without_pooled_centres_has_its_level_too(there: tb.Cohort) -> None:
    graph = GRAPHS["competing risks"]
    spec = ModelSpec(
        name="any", title="Any", priors="registry",
        events=EventProcess(graph=graph, covariates=(AGE,), centre=NoPooling()),
    ).ignoring("complete_remission")  # fmt: skip
    out = fit_of_priors(spec, registry(NEW, without=True), seed=SEED, draws=400).transport(there)
    person = out.new_patient(subgroup="acute_erythroid", covariates={"age_years": 60})
    assert out.twin(person).forecast(until=300.0).sizes["patient"] == 1


def test_where_nothing_has_happened_it_is_told_by_how_much_centres_differ(
    survival: Fit, there: tb.Cohort
) -> None:
    early = there.until(0.5)
    assert not count_stream(survival, early).observed.any()
    with pytest.warns(TransportWarning, match=r"4 centres .* up to \d+ points"):
        out = survival.transport(early)
    level = out.datatree[POSTERIOR][TRANSPORT_LEVEL].to_numpy()
    assert out.manifest[TRANSPORT]["effective_draws"] > 900.0
    assert abs(level.mean()) < 0.3
    assert 0.35 < level.std() < 0.75  # 0.8 of 0.3^2 and 0.2 of 1


@pytest.mark.requirement("R-076")
def test_too_few_draws_that_are_left_ask_for_a_refit(survival: Fit, there: tb.Cohort) -> None:
    few = survival.thinned(200)
    out = few.transport(there)
    assert not out.verdict.usable
    assert any("effective draws" in r and "refit" in r for r in out.verdict.reasons)
    sharp = Reweighted.of(-0.5 * np.linspace(0.0, 60.0, 1000) ** 2)
    assert len(sharp.reasons()) == 2
    assert not Reweighted.of(np.zeros(1000)).reasons()


def test_the_same_seed_gives_the_same_fit_and_a_moved_fit_moves_again(
    survival: Fit, moved: SharedFit, there: tb.Cohort
) -> None:
    again = survival.transport(there, seed=SEED)
    assert again.datatree[POSTERIOR].equals(moved.datatree[POSTERIOR])
    twice = moved.transport(with_patients(there, centre="further"))
    assert twice.manifest[TRANSPORT]["before"] == moved.manifest[TRANSPORT]
    assert twice.learnt.encoding.centres == ("further",)
    shared = survival.without_patients().transport(there, seed=SEED)
    assert shared.learnt.encoding.centres == (NEW,)


def test_what_cannot_be_moved_is_refused(survival: Fit, there: tb.Cohort) -> None:
    odd: Any
    for odd, words in (
        ({"learns": "everything"}, "learns"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"prior": 0.8}, "TransportPrior"),
        ({"order": "no such"}, "order"),
        ({"order": "sex"}, "not a number in every patient"),
    ):
        with pytest.raises(OptionError, match=words):
            survival.transport(there, **odd)
    for odd in (3, None, "folder"):
        with pytest.raises(OptionError, match="a Cohort is needed"):
            survival.transport(odd)
        with pytest.raises(OptionError, match="a fit of patients is needed"):
            transport_fit(odd, there)
    with pytest.raises(FitError, match="learnt from"):
        survival.transport(survival.cohort)
    with pytest.raises(FitError, match="any subgroup"):
        survival.transport(with_patients(there, subgroup="other"))
    mixed = with_patients(there, centre=["centre_A", *["new"] * (there.n_patients - 1)])
    with pytest.raises(OptionError, match="of one place"):
        survival.transport(mixed)
    some = ["other", *there.patients["subgroup"][1:]]
    with pytest.warns(TransportWarning, match="<5 patients of subgroups"):
        survival.transport(with_patients(there, subgroup=some))
    with pytest.raises(OptionError, match="at least one fit"):
        observed_expected({}, there)


def test_hazards_that_counts_cannot_move_are_refused(survival: Fit, there: tb.Cohort) -> None:
    graph = GRAPHS["competing risks"]
    events = EventProcess(graph=graph, covariates=(AGE,), frailty=graph.labels)
    frail = replace(survival, spec=replace(survival.spec, events=events))
    with pytest.raises(FitError, match="frailties"):
        frail.transport(there)
    with pytest.raises(FitError, match="follow curves"):
        replace(survival, spec=tb.disease("pbc")).transport(there)
    never = survival.datatree.copy(deep=True)
    never[POSTERIOR]["log_baseline"] = never[POSTERIOR]["log_baseline"] * 0.0 - 1e4
    with pytest.raises(FitError, match="no chance at all"):
        replace(survival, datatree=never).transport(there)


@pytest.mark.parametrize(
    "odd",
    [{"agreement": 1.1}, {"agreement": np.nan}, {"like": 0.0}, {"unlike": 9.0}, {"slope": "x"},
     {"shape": True}, {"unlike": None}],
)  # fmt: skip
def test_odd_priors_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        TransportPrior(**odd)


def test_order_is_that_of_a_covariate_or_of_rows(survival: Fit, there: tb.Cohort) -> None:
    from twinbayes.monitoring.transport.choosing import in_order

    rank = in_order(there, "age_years")
    age = there.covariates()["age_years"].to_numpy()
    assert np.all(np.diff(age[np.argsort(rank)]) >= 0.0)
    assert np.array_equal(in_order(there, None), np.arange(there.n_patients))
    exposure = Exposure.of(survival, there)
    chooser = Chooser(exposure, Level(TransportPrior(), np.array([[0.2]])), np.ones(1, bool), rank)
    assert chooser.blocks.sum() == there.n_patients - round(there.n_patients / 3)
