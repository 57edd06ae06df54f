"""The whole path on one data set: cohort, fit, review, and two patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from twinbayes.cohort import Cohort, read_cohort
from twinbayes.datasets import simulated_registry
from twinbayes.diseases import disease
from twinbayes.errors import require_known
from twinbayes.inference import Fit, fit
from twinbayes.names import LAST_CONTACT
from twinbayes.report.patient.evidence import collect_patient
from twinbayes.report.patient.reporting import twin_report
from twinbayes.report.patient.sections import contrast_pictures, forecast_picture
from twinbayes.report.reviewer.reviewing import review

#: Data set of the demonstration → disease model.
DEMO_DATA: Final = {"registry": "registry", "ebmt": "hsct"}
_SECOND_LANDMARK: Final = 120.0


@dataclass(frozen=True)
class DemoPatient:
    """A patient shown by the demonstration, and the day from which they are forecast."""

    label: str
    patient: str
    day: float


def demo_cohort(data: str) -> Cohort:
    """Return the cohort of a demonstration: ``"registry"`` (simulated) or ``"ebmt"`` (real)."""
    if require_known(data, DEMO_DATA, "data set of the demonstration") == "ebmt":
        return read_cohort(None, adapter="ebmt4")
    return simulated_registry()


def run_demo(data: str, out: Path, *, seed: int = 1, progressbar: bool = True) -> dict[str, Any]:
    """Fit, review, and report on two patients.

    Parameters
    ----------
    data
        A key of `DEMO_DATA`.
    out
        Folder for the reports and pictures.
    seed
        Seed of the sampler.
    progressbar
        Show the sampler's progress.

    Returns
    -------
    dict
        Verdict, reasons, and the files written; JSON-ready.
    """
    cohort = demo_cohort(data)
    out.mkdir(parents=True, exist_ok=True)
    fitted = fit(disease(DEMO_DATA[data]), cohort, seed=seed, progressbar=progressbar)
    files = {"fit": fitted.save(out / "fit.nc"), "review": review(fitted, out / "review.html")}
    for one in demo_patients(fitted):
        files |= patient_files(fitted, one, out)
    return {
        "data": data,
        "simulated": cohort.simulated,
        "patients": cohort.n_patients,
        "usable": fitted.verdict.usable,
        "verdict": fitted.verdict.banner(),
        "reasons": list(fitted.verdict.reasons),
        "files": {name: str(path) for name, path in files.items()},
    }


def demo_patients(fitted: Fit) -> tuple[DemoPatient, ...]:
    """Choose one patient at origin, of the smallest subgroup, and one who has come further."""
    cohort = fitted.cohort
    last = cohort.events[cohort.events["event"].isin(("death", LAST_CONTACT))]
    followed = last.set_index("patient_id")["day"]
    groups = cohort.patients.set_index("patient_id")["subgroup"]
    smallest = cohort.subgroups[-1]
    first = next(p for p in cohort.patient_ids if groups[p] == smallest and followed[p] > 0)
    chosen = [DemoPatient("at_origin", first, 0.0)]
    still = [p for p in cohort.patient_ids if followed[p] > _SECOND_LANDMARK and p != first]
    if still:
        graph = fitted.spec.graph
        present = fitted.twin(still, at=_SECOND_LANDMARK).present
        onward = [s for s in graph.transient if s != graph.initial]
        later = (
            p
            for p, where in zip(still, present, strict=True)
            if where.state in onward[:1] and not where.started
        )
        second = next(later, None)
        if second is not None:
            chosen.append(DemoPatient("later", second, _SECOND_LANDMARK))
    return tuple(chosen)


def patient_files(fitted: Fit, one: DemoPatient, out: Path) -> dict[str, Path]:
    """Write one patient's report and its pictures; no file name tells who it is."""
    stem = f"patient_{one.label}"
    evidence = collect_patient(fitted, one.patient, at=one.day)
    pictures = [forecast_picture(evidence), *contrast_pictures(evidence)]
    names = np.array(["forecast", "contrast", "hundred_people"])[: len(pictures)]
    files = {
        f"{stem}_{name}": picture.save(out / f"{stem}_{name}.png")
        for name, picture in zip(names, pictures, strict=True)
    }
    report = twin_report(fitted, one.patient, out / f"{stem}.html", at=one.day)
    return {stem: report, **files}
