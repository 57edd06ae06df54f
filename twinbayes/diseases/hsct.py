"""After allogeneic stem-cell transplantation (EBMT registry data).

`hsct`: recovery, adverse events, relapse, death (six states, 12 transitions; Fiocco, Putter and
van Houwelingen 2008). `hsct_illness_death`: platelet recovery, then relapse or death (Putter,
Fiocco and Geskus 2007).
"""

from __future__ import annotations

from typing import Final

from twinbayes.model import (
    Complete,
    EventProcess,
    ModelSpec,
    PiecewiseConstant,
    StateGraph,
    Term,
    Transition,
)
from twinbayes.model.covariates.terms import CovariateTerm


def _categories(*names: str, group: str = "clinical") -> tuple[CovariateTerm, ...]:
    return tuple(Term(name=n, group=group, transform="category") for n in names)


def hsct(*, windows: int = 20, unshrunk: tuple[str, ...] = ()) -> ModelSpec:
    """Describe the six-state model of the ``ebmt4`` data.

    Parameters
    ----------
    windows
        Pieces of each baseline hazard.
    unshrunk
        Covariate groups with fixed instead of learnt prior scales (``("clinical",)`` for
        agreement with unpenalised Cox models).
    """
    arcs = (
        ("transplanted", "recovered", "platelet_recovery"),
        ("transplanted", "adverse_event", "adverse_event"),
        ("transplanted", "relapse", "relapse"),
        ("transplanted", "dead", "death"),
        ("recovered", "recovered_and_adverse_event", "adverse_event"),
        ("recovered", "relapse", "relapse"),
        ("recovered", "dead", "death"),
        ("adverse_event", "recovered_and_adverse_event", "platelet_recovery"),
        ("adverse_event", "relapse", "relapse"),
        ("adverse_event", "dead", "death"),
        ("recovered_and_adverse_event", "relapse", "relapse"),
        ("recovered_and_adverse_event", "dead", "death"),
    )
    graph = StateGraph(
        states=(
            "transplanted",
            "recovered",
            "adverse_event",
            "recovered_and_adverse_event",
            "relapse",
            "dead",
        ),
        transitions=tuple(
            Transition(source=a, target=b, event=e, baseline=PiecewiseConstant(windows))
            for a, b, e in arcs
        ),
    )
    return ModelSpec(
        name="hsct",
        title="After allogeneic stem-cell transplantation",
        priors="hsct",
        events=EventProcess(
            graph=graph,
            unshrunk=unshrunk,
            covariates=_categories(
                "donor_recipient_gender", "prophylaxis", "transplant_years", "age_class"
            ),
        ),
    )


def hsct_illness_death(*, windows: int = 20, unshrunk: tuple[str, ...] = ()) -> ModelSpec:
    """Describe the illness-death model of the ``ebmt3`` data.

    Disease subclass is a covariate here, as in the published analysis; the levels of subgroups,
    which are the same classes in these data, are therefore pooled completely.

    Parameters
    ----------
    windows
        Pieces of each baseline hazard.
    unshrunk
        Covariate groups with fixed instead of learnt prior scales; the groups are ``clinical``
        and ``disease``.
    """
    arcs = (
        ("transplanted", "recovered", "platelet_recovery"),
        ("transplanted", "relapsed_or_dead", "relapse_or_death"),
        ("recovered", "relapsed_or_dead", "relapse_or_death"),
    )
    graph = StateGraph(
        states=("transplanted", "recovered", "relapsed_or_dead"),
        transitions=tuple(
            Transition(source=a, target=b, event=e, baseline=PiecewiseConstant(windows))
            for a, b, e in arcs
        ),
    )
    return ModelSpec(
        name="hsct_illness_death",
        title="Platelet recovery, then relapse or death",
        priors="hsct",
        events=EventProcess(
            graph=graph,
            subgroup=Complete(),
            unshrunk=unshrunk,
            covariates=(
                *_categories("disease", group="disease"),
                *_categories("age_class", "donor_recipient_gender", "t_cell_depletion"),
            ),
        ),
    )


DISEASES: Final = {"hsct": hsct, "hsct_illness_death": hsct_illness_death}
