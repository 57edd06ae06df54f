"""What a model does not use of a cohort: rows without a place, and names that it does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, cast

from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.assemble import require_spec
from twinbayes.model.courses.history import no_start, unknown_events
from twinbayes.model.covariates.terms import Group, Interaction, Term
from twinbayes.model.spec import ModelPlan, ModelSpec
from twinbayes.names import MARKER, TREATMENT
from twinbayes.spelling import nearest

_NAMED: Final = 12


def misfits(spec: ModelSpec, cohort: Cohort) -> tuple[str, ...]:
    """Say, a sentence each, what a model leaves unused of a cohort.

    Returns
    -------
    tuple of str
        Events and treatment starts with no place in the graph, by rule and reason; treatments and
        markers that are not modelled, with the known name that they may be meant for; treatments
        of the model that nobody started; covariates left out, and those in no term. Empty if all
        is used.

    Raises
    ------
    ModelError
        The model cannot be fitted to the cohort at all; the message says why, and of names that
        one of them does not know, all.
    """
    require_spec(spec, ModelSpec)
    _require_names(spec, cohort)
    plan = spec.plan(cohort)
    aside = plan.events.histories.set_aside
    counts = Counter(zip(aside["table"], aside["rule"], aside["reason"], strict=True))
    curves = spec.trajectories
    markers = () if curves is None else tuple(t.marker for t in curves.markers)
    choices = _choices(spec)
    return (
        *(
            f"{t}: {n} row(s) not used, {rule}: {why}.{choices.get(why, '')}"
            for (t, rule, why), n in sorted(counts.items())
        ),
        *_unused(cohort, "treatments", TREATMENT, [t.name for t in spec.graph.treatments]),
        *_unused(cohort, "visits", MARKER, markers),
        *_never_started(cohort, [t.name for t in spec.graph.treatments]),
        *(f"Covariate left out, {reason}." for reason in plan.events.encoding.left_out),
        *_covariates_not_used(spec, cohort, plan),
    )


def _choices(spec: ModelSpec) -> dict[str, str]:
    """Why a treatment start has no place -> what follows from it, and what may be done."""
    return {
        no_start(t.name, state): f" These patients count as untreated by it from then on: add "
        f"{state!r} to `starts` of {t.name!r} in the disease, or keep it so."
        for t in spec.graph.treatments
        for state in spec.graph.states
    }


def _require_names(spec: ModelSpec, cohort: Cohort) -> None:
    """Refuse names that hinder a fit, and say with them the treatments that one does not know."""
    if not isinstance(cast(object, cohort), Cohort):
        return
    found = [
        problem
        for problem in (_unknown_covariates(spec, cohort), unknown_events(spec.graph, cohort))
        if problem is not None
    ]
    if not found:
        return
    treatments = [t.name for t in spec.graph.treatments]
    found += _unused(cohort, "treatments", TREATMENT, treatments)
    found += _never_started(cohort, treatments)
    if len(found) == 1:
        raise ModelError(found[0])
    raise ModelError("\n- ".join(["The model and the cohort have different names:", *found]))


def _unknown_covariates(spec: ModelSpec, cohort: Cohort) -> str | None:
    known = [str(name) for name in cohort.covariates()]
    terms = (*spec.events.covariates, *(spec.trajectories.covariates if spec.trajectories else ()))
    single = [term.name for term in terms if isinstance(term, Term)]
    single += [name for term in terms if isinstance(term, Interaction) for name in term.names]
    unknown = [name for name in dict.fromkeys(single) if name not in known]
    if not unknown:
        return None
    meant = ((name, nearest(name, known)) for name in unknown)
    said = ", ".join(f"{name!r}" + (f" (meant for {to!r}?)" if to else "") for name, to in meant)
    what = "Covariate" if len(unknown) == 1 else "Covariates"
    verb = "is" if len(unknown) == 1 else "are"
    all_known = ", ".join(map(repr, known)) or "none"
    return f"{what} {said} {verb} not in the cohort. Known: {all_known}."


def _never_started(cohort: Cohort, modelled: Iterable[str]) -> list[str]:
    """Treatments of the model that nobody of the cohort has: their effects are the prior's."""
    table = cohort.treatments
    given = set() if table is None else set(table[TREATMENT].astype(str))
    return [
        f"treatments: {name!r} is in the model and nobody started it: what is said of it is the "
        "prior's alone." + (f" Meant for {to!r}?" if (to := nearest(name, given)) else "")
        for name in modelled
        if name not in given
    ]


def _covariates_not_used(spec: ModelSpec, cohort: Cohort, plan: ModelPlan) -> list[str]:
    """Baseline covariates of a cohort in no term of the model, all in one sentence."""
    columns = list(plan.events.encoding.columns)
    if plan.curves is not None:
        columns += plan.curves.learnt.encoding.columns
    used = {source for column in columns for source in column.sources}
    terms = (*spec.events.covariates, *(spec.trajectories.covariates if spec.trajectories else ()))
    used |= {term.name for term in terms if isinstance(term, Term)}
    unused = [str(name) for name in cohort.covariates() if name not in used]
    of_groups = {term.group for term in terms if isinstance(term, Group)}
    groups = cohort.variables.set_index("name")["group"]
    unused = [name for name in unused if groups.get(name) not in of_groups]
    if not unused:
        return []
    more = f" and {len(unused) - _NAMED} more" * (len(unused) > _NAMED)
    return [
        f"Covariates of the cohort in no term of the model: {', '.join(unused[:_NAMED])}{more}."
    ]


def _unused(cohort: Cohort, table: str, column: str, modelled: Iterable[str]) -> list[str]:
    frame = cohort.tables.get(table)
    known = tuple(modelled)
    found = [] if frame is None else sorted(set(frame[column].astype(str)) - set(known))
    meant = ((name, nearest(name, known)) for name in found)
    return [
        f"{table}: {column} {name!r} is not modelled." + (f" Meant for {to!r}?" if to else "")
        for name, to in meant
    ]
