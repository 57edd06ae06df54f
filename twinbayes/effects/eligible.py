"""The patients of an estimand: who is followed, alive and as asked at the landmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from twinbayes.cohort import Cohort
from twinbayes.effects.estimand import Estimand, Reading, Target
from twinbayes.errors import OptionError, TwinError, require_known
from twinbayes.inference import Fit
from twinbayes.model.courses.history import Present
from twinbayes.model.courses.labels import among
from twinbayes.names import DAY, DEATH, EVENT, PATIENT_ID, SUBGROUP, TERMINAL_EVENTS
from twinbayes.twin.twin import Twin

LOST = "no longer followed at the landmark"
FINAL = "dead, or in another final state, at the landmark"
DONE = "had the endpoint before the landmark"


@dataclass(frozen=True)
class Chosen:
    """Twins of the patients of an estimand, and who was left out.

    Attributes
    ----------
    twin
        The patients at their landmark.
    excluded
        Reason → number of patients of the subgroups asked for; in and excluded add up to them.
    """

    twin: Twin
    excluded: Mapping[str, int]


def choose(who: Fit | Twin, reading: Reading, draws: int | None) -> Chosen:
    """Return the patients of an estimand at their landmark.

    Parameters
    ----------
    who
        A fit, or a twin that is at the landmark already.
    reading
        The estimand.
    draws
        Thin the posterior of a fit to this many draws.

    Raises
    ------
    TwinError
        Nobody is left; a patient who was named does not meet the rest of the target; or a twin that
        stands at another landmark, or is to be thinned.
    """
    target = reading.estimand.target
    if isinstance(who, Twin):
        if draws is not None:
            raise TwinError("draws: a twin is thinned when it is made: fit.twin(..., draws=...).")
        _require_landmark(who, target)
        cohort = who.cohort
    else:
        cohort = who.cohort
    ids, reasons = _followed(cohort, target)
    if isinstance(who, Twin):
        twin = narrowed(who, ids)
    else:
        if not ids:
            _refuse(reasons, target)
        twin = who.twin(ids, at=target.landmark, draws=draws)
    kept = []
    for patient, present in zip(twin.patient_ids, twin.present, strict=True):
        reason = _reason(present, twin, reading)
        if reason is None:
            kept.append(patient)
        else:
            reasons[reason] = reasons.get(reason, 0) + 1
    if not kept or (target.patients and reasons):
        _refuse(reasons, target)
    return Chosen(narrowed(twin, kept), reasons)


def require_asked(who: object, estimand: object) -> None:
    """Refuse what is no fit or twin, or no estimand.

    Raises
    ------
    OptionError
        Naming what is asked for.
    """
    if not isinstance(who, Fit | Twin):
        raise OptionError(f"an effect is that of a Fit or a Twin, not of a {type(who).__name__}.")
    if not isinstance(estimand, Estimand):
        raise OptionError(
            f"estimand must be an Estimand, such as Estimand.starting(...) makes, not a "
            f"{type(estimand).__name__}."
        )


def narrowed(twin: Twin, patients: list[str]) -> Twin:
    """Return the twin of some of its patients, everything else alike."""
    if list(twin.patient_ids) == patients or not patients:
        return twin
    return replace(twin, cohort=twin.cohort.select(patients), change=None)


def _followed(cohort: Cohort, target: Target) -> tuple[list[str], dict[str, int]]:
    """Patients of the subgroups, and named, whose state at the landmark is known."""
    groups = cohort.patients.set_index(PATIENT_ID)[SUBGROUP].astype(str)
    for group in target.subgroups:
        require_known(group, cohort.subgroups, "subgroup of the cohort")
    unknown = len(set(target.patients) - set(groups.index))
    if unknown:
        raise TwinError(
            f"{unknown} of the {len(target.patients)} patients of the target are not in the "
            "cohort. Take identifiers from cohort.patient_ids."
        )
    wanted = list(target.patients or cohort.patient_ids)
    if target.subgroups:
        mine = [p for p in wanted if groups[p] in target.subgroups]
        if target.patients and len(mine) < len(wanted):
            _refuse({"of another subgroup": len(wanted) - len(mine)}, target)
        wanted = mine
    if target.landmark is None:
        return wanted, {}
    ends = cohort.events[cohort.events[EVENT].isin(TERMINAL_EVENTS)]
    gone = ends[(ends[DAY] < target.landmark) & (ends[EVENT] != DEATH)]
    lost = set(gone[PATIENT_ID].astype(str))
    kept = [p for p in wanted if p not in lost]
    return kept, {LOST: len(wanted) - len(kept)} if len(kept) < len(wanted) else {}


def _reason(present: Present, twin: Twin, reading: Reading) -> str | None:
    """Why a patient is not in the target, or None."""
    graph, target = twin.spec.graph, reading.estimand.target
    if present.state in graph.absorbing:
        return FINAL
    occupation = reading.estimand.summary == "state_occupation_difference"
    if present.state in reading.endpoint.states and not occupation:
        return DONE
    if target.states and present.state not in target.states:
        return f"not {among(target.states, twin.spec.state_labels)} at the landmark"
    begun = {name for name, _, _ in present.started}
    already = [t for t in target.untreated if t in begun]
    if already:
        return f"already started {' and '.join(already)} at the landmark"
    return None


def _require_landmark(twin: Twin, target: Target) -> None:
    if target.landmark is None:
        return
    graph = twin.spec.graph
    days = np.array([p.day for p in twin.present if p.state not in graph.absorbing])
    elsewhere = int(np.sum(days != target.landmark))
    if elsewhere:
        raise TwinError(
            f"{elsewhere} patient(s) of this twin do not stand at the landmark, day "
            f"{target.landmark:g}. Give the fit, or fit.twin(..., at={target.landmark:g})."
        )


def _refuse(reasons: Mapping[str, int], target: Target) -> None:
    said = "; ".join(f"{n} {reason}" for reason, n in reasons.items())
    if target.patients:
        raise TwinError(
            f"Not all patients named belong to the target: {said}. Leave them out, or choose "
            "another landmark."
        )
    raise TwinError(
        f"Nobody belongs to the target ({target.sentence}): {said or 'no patients'}. Choose "
        "another landmark, or other subgroups and states."
    )
