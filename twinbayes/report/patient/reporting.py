"""From a fit and a patient to the patient's report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError
from twinbayes.inference import Fit
from twinbayes.private_files import require_writable
from twinbayes.report.html.page import render_report, write_page
from twinbayes.report.patient.evidence import collect_patient
from twinbayes.report.patient.sections import LEAD, PATIENT_REPORT
from twinbayes.twin import Scenario


def twin_report(
    fit: Fit,
    who: str | Cohort,
    out: str | os.PathLike[str],
    *,
    scenarios: Sequence[Scenario] | None = None,
    until: float | None = None,
    at: float | None = None,
    interval: float = 0.9,
    title: str = "Patient twin",
    show_patient_ids: bool = False,
) -> Path:
    """Write one patient's report: one self-contained HTML file, the verdict first.

    Parameters
    ----------
    fit
        The fit.
    who
        A patient of the fitted cohort, or a cohort of one who is not.
    out
        The HTML file to write.
    scenarios
        Two to compare; see `default_scenarios`.
    until
        Horizon in days from the landmark; by default the disease's, or 5 years.
    at
        Landmark day since origin; by default the last day known.
    interval
        Probability of the equal-tailed intervals.
    title
        Title of the page.
    show_patient_ids
        Print the identifier of the patient.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    TwinError, ScenarioError
        If the patient is unknown or has nothing ahead to forecast, or a scenario is impossible.
    OptionError
        If `fit` is no fit of patients.
    StorageError
        If the page cannot be written there; told before anything is computed.
    ReportError
        If the page would refer to anything outside itself.

    Examples
    --------
    >>> twin_report(fit, fit.cohort.patient_ids[0], "patient.html", at=0).name  # doctest: +SKIP
    'patient.html'
    """
    if not isinstance(cast(object, fit), Fit):
        raise OptionError(
            "twin_report: a fit of patients from `fit` or `load_fit` is needed, not a "
            f"{type(fit).__name__}."
        )
    require_writable(out)
    simulated = fit.cohort.simulated or (isinstance(who, Cohort) and who.simulated)
    page = render_report(
        PATIENT_REPORT,
        lambda: collect_patient(
            fit,
            who,
            at=at,
            until=until,
            scenarios=scenarios,
            interval=interval,
            show_patient_ids=show_patient_ids,
        ),
        title=title,
        lead=LEAD,
        usable=fit.verdict.usable,
        simulated=simulated,
    )
    return write_page(out, page)
