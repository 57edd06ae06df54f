"""What a model does not use of a cohort: rows without a place, and names that it does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from twinbayes.cohort import Cohort
from twinbayes.model.assemble import require_spec
from twinbayes.model.spec import ModelSpec
from twinbayes.names import MARKER, TREATMENT
from twinbayes.spelling import nearest


def misfits(spec: ModelSpec, cohort: Cohort) -> tuple[str, ...]:
    """Say, a sentence each, what a model leaves unused of a cohort.

    Returns
    -------
    tuple of str
        Events and treatment starts with no place in the graph, by rule and reason; treatments and
        markers that are not modelled, with the known name that they may be meant for; covariates
        left out. Empty if all is used.

    Raises
    ------
    ModelError
        The model cannot be fitted to the cohort at all; the message says why.
    """
    require_spec(spec, ModelSpec)
    plan = spec.plan(cohort)
    aside = plan.events.histories.set_aside
    counts = Counter(zip(aside["table"], aside["rule"], aside["reason"], strict=True))
    curves = spec.trajectories
    markers = () if curves is None else tuple(t.marker for t in curves.markers)
    return (
        *(
            f"{t}: {n} row(s) not used, {rule}: {why}."
            for (t, rule, why), n in sorted(counts.items())
        ),
        *_unused(cohort, "treatments", TREATMENT, [t.name for t in spec.graph.treatments]),
        *_unused(cohort, "visits", MARKER, markers),
        *(f"Covariate left out, {reason}." for reason in plan.events.encoding.left_out),
    )


def _unused(cohort: Cohort, table: str, column: str, modelled: Iterable[str]) -> list[str]:
    frame = cohort.tables.get(table)
    known = tuple(modelled)
    found = [] if frame is None else sorted(set(frame[column].astype(str)) - set(known))
    meant = ((name, nearest(name, known)) for name in found)
    return [
        f"{table}: {column} {name!r} is not modelled." + (f" Meant for {to!r}?" if to else "")
        for name, to in meant
    ]
