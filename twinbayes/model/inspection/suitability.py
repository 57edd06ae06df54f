"""Whether a cohort fits a model, whatever is learnt of columns, windows and scales.

A fit finds it out when it lays its cohort out. Who has a part of all patients alone, such as a site
of a federation, cannot learn these, and asks here first.
"""

from __future__ import annotations

from twinbayes.cohort import Cohort
from twinbayes.model.courses.history import trace_histories
from twinbayes.model.courses.open_courses import trace_courses
from twinbayes.model.curves.association import followed
from twinbayes.model.curves.marker import codes_of, transformed, visits_of
from twinbayes.model.events.rows import rows_at_risk
from twinbayes.model.events.time_at_risk import require_patients_at_risk
from twinbayes.model.spec import ModelSpec
from twinbayes.names import VISIT_VALUE


def require_suitable(spec: ModelSpec, cohort: Cohort) -> None:
    """Refuse what `ModelSpec.plan` refuses of single patients, in the same words.

    Raises
    ------
    ModelError
        Events that the model does not know, or that no hazard gives a density; courses that no
        order fits; late entries that it does not count; values that a marker cannot have.
    """
    for t in () if spec.trajectories is None else spec.trajectories.markers:
        visits = visits_of(t.marker, cohort)
        codes_of(t.marker, t.family, visits)
        transformed(t.marker, t.transform, visits[VISIT_VALUE])
    graph = spec.graph
    rows = rows_at_risk(graph, trace_histories(graph, cohort))
    require_patients_at_risk(graph, rows, followed(spec.associations, graph))
    trace_courses(graph, cohort)
    spec.require_entries(cohort)
