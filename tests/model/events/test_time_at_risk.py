"""Events after no time at risk are refused in every model, and those of one later day are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model import (
    EventProcess,
    PiecewiseConstant,
    Spline,
    StateGraph,
    Transition,
    Treatment,
    TreatmentStart,
    Weibull,
)
from twinbayes.model.baseline import Baseline
from twinbayes.model.events.likelihood.courses import event_loglik

Make = Callable[..., Cohort]
SHAPES = {
    "one window": PiecewiseConstant(windows=1),
    "eight windows": PiecewiseConstant(),
    "spline": Spline(),
    "bending spline": Spline(order=2),
    "Weibull": Weibull(),
}
DRUG = "drug"


def process_of(
    baseline: Baseline, clock: str = "origin", ill: Baseline | None = None
) -> EventProcess:
    def move(source: str, target: str, event: str) -> Transition:
        shape = baseline if source == "well" or ill is None else ill
        return Transition(source=source, target=target, event=event, clock=clock, baseline=shape)

    graph = StateGraph(
        states=("well", "ill", "dead"),
        transitions=(move("well", "ill", "relapse"), move("ill", "dead", "death")),
        treatments=(
            Treatment(
                name=DRUG,
                starts=(TreatmentStart(source="well", treatment=DRUG, baseline=baseline),),
                effects=(),
            ),
        ),
    )
    return EventProcess(graph=graph)


def ordinary(n: int = 20) -> list[tuple[str, float, str]]:
    return [
        row
        for i in range(n)
        for row in ((f"p{i}", 100.0 + 7 * i, "relapse"), (f"p{i}", 300.0 + 11 * i, "death"))
    ]


@pytest.mark.parametrize("clock", ["origin", "entry"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 156])
def test_events_on_day_0_are_refused_under_every_baseline_and_clock(
    shape: str, clock: str, n: int, make_cohort: Make
) -> None:
    first = [
        row
        for i in range(n)
        for row in ((f"q{i}", 0.0, "relapse"), (f"q{i}", 50.0, "last_contact"))
    ]
    cohort = make_cohort([*ordinary(), *first])
    process = process_of(SHAPES[shape], clock)
    with pytest.raises(ModelError, match=rf"{n} patient\(s\) had an event on day 0") as caught:
        process.plan(cohort)
    message = str(caught.value)
    assert "number in the cohort: 21" + (", 22, 23, 24, 25, …" if n > 1 else ".") in message
    assert "half a day later" in message
    assert "start the clock earlier" in message
    later = [(p, day or 0.5, event) for p, day, event in [*ordinary(), *first]]
    process.plan(make_cohort(later))


def test_deaths_on_day_0_are_refused_by_the_model_of_survival(make_cohort: Make) -> None:
    rows = [(f"p{i}", float(i), "death") for i in range(30)]
    spec = tb.disease("survival", covariates=())
    with pytest.raises(ModelError, match=r"1 patient\(s\) had an event"):
        spec.plan(make_cohort(rows))
    # Who is lost on day 0 has said nothing, and is no fault.
    spec.plan(make_cohort([("p0", 0.0, "last_contact"), *rows[1:]]))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_treatment_that_starts_on_day_0_is_refused_only_where_its_hazard_has_no_bound(
    shape: str, make_cohort: Make
) -> None:
    process = process_of(SHAPES[shape])
    some = [(f"p{i}", 0.0, DRUG) for i in range(10)]
    if shape == "Weibull":
        with pytest.raises(ModelError, match=r"10 patient\(s\) had an event or a treatment start"):
            process.plan(make_cohort(ordinary(), some))
    else:
        process.plan(make_cohort(ordinary(), some))
    everybody = [(f"p{i}", 0.0, DRUG) for i in range(20)]
    with pytest.raises(ModelError, match=r"20 patient\(s\) .* make it a covariate"):
        process.plan(make_cohort(ordinary(), everybody))


@pytest.mark.parametrize("clock", ["origin", "entry"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_death_on_the_day_of_relapse_is_refused_only_where_its_hazard_has_no_bound(
    shape: str, clock: str, make_cohort: Make
) -> None:
    rows = [*ordinary(), ("q", 80.0, "relapse"), ("q", 80.0, "death")]
    process = process_of(PiecewiseConstant(), clock, ill=SHAPES[shape])
    if shape == "Weibull" and clock == "entry":
        with pytest.raises(ModelError, match=r"number in the cohort: 21\. Date the event half"):
            process.plan(make_cohort(rows))
    else:
        process.plan(make_cohort(rows))


@pytest.mark.parametrize("clock", ["origin", "entry"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_state_in_which_nobody_spends_any_time_is_refused(
    shape: str, clock: str, make_cohort: Make
) -> None:
    rows = [(p, day, e) for p, day, _ in ordinary()[::2] for e in ("relapse", "death")]
    process = process_of(PiecewiseConstant(), clock, ill=SHAPES[shape])
    with pytest.raises(ModelError, match=r"20 patient\(s\) had an event .* at the moment"):
        process.plan(make_cohort([(p, day, e) for p, day, e in rows]))


def test_a_death_on_the_day_of_relapse_has_the_density_of_its_hazard(make_cohort: Make) -> None:
    cohort = make_cohort(
        [("a", 80.0, "relapse"), ("a", 80.0, "death"),
         ("b", 50.0, "relapse"), ("b", 90.0, "death")]
    )  # fmt: skip
    process = process_of(PiecewiseConstant(windows=1))
    plan = process.plan(cohort)
    rate = np.array([[0.004], [0.02], [0.001]])
    parameters = [np.log(rate), np.log(rate), np.zeros((2, 3)), np.zeros((0, 1))]
    parameters += [np.zeros(0), np.zeros(0)]
    out = np.empty(2)
    event_loglik(
        *parameters, np.ones(2), *plan.data.pack(), *[np.empty_like(x) for x in parameters], out
    )
    well = stats.expon(scale=1 / 0.005)  # relapse and start of the drug compete
    wanted = [
        np.log(0.004 / 0.005) + well.logpdf(80.0) + np.log(0.02),
        np.log(0.004 / 0.005) + well.logpdf(50.0) + stats.expon(scale=50.0).logpdf(40.0),
    ]
    np.testing.assert_allclose(out, wanted, rtol=1e-12)


def test_a_cohort_of_which_nobody_is_ever_at_risk_is_refused(make_cohort: Make) -> None:
    cohort = make_cohort([(f"p{k}", 0.0, "last_contact") for k in range(12)])
    with pytest.raises(ModelError, match="Nobody of the cohort was at risk"):
        tb.disease("survival").without_covariates("age_years", "sex").plan(cohort)
