"""What a model does not use of a cohort is said, and misspelt names are told what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import ModelError, OptionError
from twinbayes.model import (
    Effect,
    EventProcess,
    Group,
    Interaction,
    ModelSpec,
    StateGraph,
    Term,
    Transition,
    Treatment,
    TreatmentStart,
)
from twinbayes.model.inspection.misfits import misfits
from twinbayes.spelling import nearest


def spec_of(*terms: Term | Group | Interaction, unshrunk: tuple[str, ...] = ()) -> ModelSpec:
    return ModelSpec(
        name="small", title="Small", priors="survival",
        events=EventProcess(
            graph=StateGraph(
                states=("well", "ill"),
                transitions=(Transition(source="well", target="ill", event="relapse"),),
            ),
            covariates=terms, unshrunk=unshrunk,
        ),
    )  # fmt: skip


def given(name: str, transition: str) -> Treatment:
    """A treatment that starts in the first state."""
    phase = "here" if transition.startswith("well") else "earlier"
    effect = Effect(treatment=name, transition=transition, phase=phase)
    start = TreatmentStart(source="well", treatment=name)
    return Treatment(name=name, starts=(start,), effects=(effect,))


SEX = Term(name="sex", group="demographic", transform="category")
AGE = Term(name="age_years", group="clinical", transform="spline")


def test_a_cohort_that_is_used_whole_has_no_misfits() -> None:
    registry = tb.datasets.registry()
    assert not [m for m in misfits(tb.disease("registry"), registry) if "not used" in m]


@pytest.mark.requirement("R-026")
@pytest.mark.parametrize("event", ["relaps", "Relapse", "relapse_", "rellapse"])
def test_a_misspelt_event_is_told_what_it_may_mean(
    event: str, make_cohort: Callable[..., Cohort]
) -> None:
    cohort = make_cohort(
        [("a", 30, "relapse"), ("a", 50, "death"), ("b", 9, event), ("b", 40, "last_contact")]
    )
    if event == "Relapse":
        assert nearest(event, ["relapse"]) == "relapse"
    with pytest.raises(ModelError, match=rf"'{event}' \(meant for 'relapse'\?\) not known") as e:
        misfits(spec_of(), cohort)
    assert "Correct the spelling" in str(e.value)


def test_an_identifier_among_the_events_is_counted_and_not_repeated(
    make_cohort: Callable[..., Cohort],
) -> None:
    name = "hildegard"
    cohort = make_cohort([("a", 30, "relapse"), ("a", 50, "death"), (name, 40, "last_contact")])
    events = cohort.events.assign(event=cohort.events["event"].replace("relapse", name))
    cohort = cohort.with_rows({"events": events})
    with pytest.raises(ModelError, match=r"events: 1 more not known") as caught:
        misfits(spec_of(), cohort)
    assert "hildegard" not in str(caught.value)


def test_wrong_names_of_every_kind_are_told_at_once(make_cohort: Callable[..., Cohort]) -> None:
    cohort = make_cohort([("a", 30, "relaps"), ("a", 50, "death")], [("a", 10, "daratumumab")])
    terms = (replace(AGE, name="age_yers"), Interaction(names=("sexx", "sex")))
    graph = replace(spec_of().graph, treatments=(given("dara", "well->ill"),))
    spec = replace(spec_of(), events=EventProcess(graph=graph, covariates=terms))
    with pytest.raises(ModelError) as caught:
        misfits(spec, cohort)
    told = str(caught.value).split("\n- ")
    assert [line.split()[0] for line in told[1:]] == [
        "Covariates", "events:", "treatments:", "treatments:"
    ]  # fmt: skip
    assert told[1] == "Covariates 'age_yers', 'sexx', 'sex' are not in the cohort. Known: none."
    assert told[2].startswith("events: 'relaps' (meant for 'relapse'?) not known")
    assert told[3].endswith("'daratumumab' is not modelled. Meant for 'dara'?")
    assert told[4].endswith("Meant for 'daratumumab'?")
    with pytest.raises(ModelError, match=r"'age_yers' \(meant for 'age_years'\?\) is not in the"):
        misfits(spec_of(terms[0]), one_sex())


def test_a_start_with_no_place_is_told_with_what_follows_and_what_may_be_done(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = make_cohort(
        [("a", 30, "relapse"), ("a", 90, "last_contact"), ("b", 40, "last_contact"),
         ("c", 30, "relapse"), ("c", 70, "death"), ("d", 30, "relapse"), ("d", 70, "death")],
        [("a", 60, "drug"), ("b", 10, "drug"), ("c", 50, "drug")],
    )  # fmt: skip
    graph = StateGraph(
        states=("well", "ill", "dead"),
        transitions=(
            Transition(source="well", target="ill", event="relapse"),
            Transition(source="ill", target="dead", event="death"),
        ),
        treatments=(given("drug", "ill->dead"),),
    )
    assert misfits(replace(spec_of(), events=EventProcess(graph=graph)), cohort)[0] == (
        "treatments: 2 row(s) not used, treatment start outside the graph: drug cannot start in "
        "state ill. These patients count as untreated by it from then on: add 'ill' to `starts` "
        "of 'drug' in the disease, or keep it so."
    )


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("dara", ("daratumumab", "lenalidomide"), "daratumumab"),
        ("Daratumumab_iv", ("daratumumab", "lenalidomide"), "daratumumab"),
        ("da", ("daratumumab",), None),
        ("len", ("lenalidomide", "lenograstim"), None),
        ("azacitidine", ("decitabine",), None),
    ],
)
def test_an_abbreviation_is_told_if_it_is_of_one_name(
    name: str, known: tuple[str, ...], meant: str | None
) -> None:
    assert nearest(name, known) == meant


def test_rows_without_a_place_and_unmodelled_treatments_are_named(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = make_cohort(
        [("a", 30, "relapse"), ("a", 50, "relapse"), ("a", 60, "death")],
        [("a", 10, "allogeneic_transplnt")],
    )
    told = misfits(spec_of(), cohort)
    assert told == (
        "events: 1 row(s) not used, after an absorbing state: relapse after ill: follow-up ends "
        "there.",
        "treatments: treatment 'allogeneic_transplnt' is not modelled.",
    )
    aml = [(f"p{i}", 20.0 + i, "complete_remission") for i in range(4)]
    aml += [(f"p{i}", 90.0 + i, "last_contact") for i in range(4)]
    spec = ModelSpec(
        name="x", title="x", priors="aml", events=EventProcess(graph=tb.disease("aml").graph)
    )
    told = misfits(spec, make_cohort(aml, [("p1", 50.0, "allogeneic_transplnt")]))
    assert told[-2].endswith("is not modelled. Meant for 'allogeneic_transplant'?")
    assert told[-1] == (
        "treatments: 'allogeneic_transplant' is in the model and nobody started it: what is said "
        "of it is the prior's alone. Meant for 'allogeneic_transplnt'?"
    )


def one_sex(capped: bool = False) -> Cohort:
    ids = [f"p{i}" for i in range(40)]
    ages = [float(a) for a in range(50, 90)]
    patients = pd.DataFrame(
        {
            "patient_id": ids, "subgroup": "all", "centre": "all", "sex": "female",
            "age_years": [90.0 if capped and i % 2 else a for i, a in enumerate(ages)],
        }
    )  # fmt: skip
    variables = pd.DataFrame(
        [
            ("sex", "patients", "covariate", "demographic", "female|male"),
            ("age_years", "patients", "covariate", "clinical", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    events = pd.DataFrame(
        {"patient_id": ids, "day": [10.0 + 3 * i for i in range(40)], "event": "death"}
    )
    tables = {"patients": patients, "variables": variables, "events": events}
    return cohort_from_tables("one sex", tables, simulated=True)


def test_a_covariate_that_does_not_vary_is_refused_with_the_way_to_leave_it_out() -> None:
    spec, cohort = tb.disease("survival"), one_sex()
    with pytest.raises(ModelError, match=r"fewer than two levels .*`fit --without sex`"):
        spec.plan(cohort)
    plan = spec.without_covariates("sex").plan(cohort)
    assert plan.events.encoding.labels == ("age_years", "age_years_spline1", "age_years_spline2")


def test_leaving_out_takes_interactions_and_unshrunk_groups_along() -> None:
    both = Interaction(names=("sex", "age_years"))
    spec = spec_of(SEX, AGE, both, Group(group="gene"), unshrunk=("demographic", "clinical"))
    fewer = spec.without_covariates("sex")
    assert fewer.events.covariates == (AGE, Group(group="gene"))
    assert fewer.events.unshrunk == ("clinical",)
    assert spec.events.covariates[0] == SEX
    assert spec.without_covariates() == spec
    with pytest.raises(OptionError, match=r"covariate 'sx'\. Known: 'sex', 'age_years'"):
        spec.without_covariates("sx")


def test_what_an_error_tells_to_leave_out_can_be_left_out() -> None:
    """An interaction that does not vary is named in the error as `without_covariates` takes it."""
    both = Interaction(names=("sex", "ecog"))
    terms = (Term(name="sex", group="clinical"), Term(name="ecog", group="clinical"), both)
    spec = tb.disease("survival", covariates=terms)
    assert spec.without_covariates("sex:ecog").events.covariates == terms[:2]
    assert spec.without_covariates("ecog").events.covariates == terms[:1]
    with pytest.raises(OptionError, match="sex:ecog"):
        spec.without_covariates("ecog:sex")


def test_ages_capped_at_90_in_half_of_the_patients_have_a_spline_of_their_distinct_values() -> None:
    plan = tb.disease("survival").without_covariates("sex").plan(one_sex(capped=True))
    values = plan.events.design.values[:, :3]
    assert (values.std(axis=0) > 0.99).all()
    assert abs(pd.DataFrame(values).corr().to_numpy()[1, 2]) < 1.0 - 1e-6
    _, spline, _ = plan.events.encoding.columns
    # 21 distinct ages: 50, 52, ..., 88, and 90; quantiles at steps 1, 7, 13 and 19 of 20.
    assert spline.knots[1:] == (52.0, 64.0, 76.0, 88.0)
