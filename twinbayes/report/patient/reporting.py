"""From a fit and a patient to the patient's report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.report.html.notebook import run_template
from twinbayes.report.html.page import render_page, write_page
from twinbayes.report.patient.evidence import scenarios_to_json
from twinbayes.twin import Scenario


def twin_report(
    fit: Fit,
    who: str | Cohort,
    out: str | os.PathLike[str],
    *,
    scenarios: Sequence[Scenario] | None = None,
    until: float = 5 * DAYS_PER_YEAR,
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
        Two to compare; by default starting the model's treatment soon against not starting it.
    until
        Horizon in days from the landmark.
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
    ReportError
        If the extra `notebooks` is not installed, or the template failed.
    """
    # Here and not in the notebook, where an error would come back as a failed cell.
    fit.twin(who, at=at)
    with tempfile.TemporaryDirectory(prefix="twinbayes-") as folder:
        place = Path(folder)
        parameters: dict[str, object] = {
            "fit_path": str(fit.save(place / "fit.nc")),
            "until": float(until),
            "interval": interval,
            "show_patient_ids": show_patient_ids,
            "at": "" if at is None else repr(float(at)),
            "scenarios": "" if scenarios is None else scenarios_to_json(scenarios),
        }
        if isinstance(who, Cohort):
            parameters["cohort_path"] = str(who.write(place / "cohort"))
        else:
            parameters["patient"] = who
        notebook = run_template("patient_twin", parameters)
    simulated = fit.cohort.simulated or (isinstance(who, Cohort) and who.simulated)
    page = render_page(notebook, usable=fit.verdict.usable, simulated=simulated, title=title)
    return write_page(out, page)
