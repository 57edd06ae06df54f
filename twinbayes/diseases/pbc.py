"""Primary biliary cirrhosis: the benchmark of joint models, with serum bilirubin and others."""

from __future__ import annotations

from typing import Final

from twinbayes.errors import require_known
from twinbayes.model import (
    Association,
    EventProcess,
    ModelSpec,
    Spline,
    StateGraph,
    Term,
    Trajectories,
    Trajectory,
    Transition,
)
from twinbayes.model.baseline import Baseline
from twinbayes.model.covariates.terms import CovariateTerm

ENDPOINTS: Final = ("death", "death or transplantation", "competing")
SEX: Final = Term(name="sex", group="clinical", transform="category")
DRUG: Final = Term(name="d_penicillamine", group="treatment", transform="binary")
BILIRUBIN: Final = Trajectory(marker="bilirubin", transform="log")


def pbc(
    *,
    endpoint: str = "death",
    covariates: tuple[CovariateTerm, ...] = (SEX, DRUG),
    curve_covariates: tuple[CovariateTerm, ...] = (),
    markers: tuple[Trajectory, ...] = (BILIRUBIN,),
    baseline: Baseline | None = None,
) -> ModelSpec:
    """Describe the joint model of log bilirubin, or other markers, and death.

    Parameters
    ----------
    endpoint
        ``death`` (transplanted patients are censored), ``death or transplantation`` (as one
        event), ``competing`` (each with its own hazard and association).
    covariates, curve_covariates
        What acts on hazards, and on every coefficient of the curves.
    markers
        Curves whose present values move every hazard; by default a straight line of log bilirubin.
    baseline
        Shape of the baseline hazards.
    """
    require_known(endpoint, ENDPOINTS, "endpoint")
    shape = baseline or Spline(df=10, resolution=15, order=2, spacing="time")
    one = {"death": "death", "death or transplantation": "death|transplantation"}
    ends = {"dead": "death", "transplanted": "transplantation"}
    if endpoint in one:
        ends = {"dead": one[endpoint]}
    transitions = tuple(
        Transition(source="alive", target=state, event=event, baseline=shape)
        for state, event in ends.items()
    )
    return ModelSpec(
        name="pbc",
        title="Primary biliary cirrhosis, serum bilirubin and survival",
        priors="pbc",
        events=EventProcess(
            graph=StateGraph(
                states=("alive", *ends),
                transitions=transitions,
                ignored_events=("transplantation",) if endpoint == "death" else (),
            ),
            covariates=covariates,
            unshrunk=tuple(dict.fromkeys(t.group for t in covariates)),
        ),
        trajectories=Trajectories(markers=markers, covariates=curve_covariates),
        associations=tuple(
            Association(marker=m.marker, transitions=tuple(t.label for t in transitions))
            for m in markers
        ),
    )


DISEASES: Final = {"pbc": pbc}
