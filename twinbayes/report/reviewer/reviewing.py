"""From a fit to the reviewer's report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.errors import OptionError
from twinbayes.inference import AggregateFit, Fit
from twinbayes.report.html.notebook import run_template
from twinbayes.report.html.page import render_page, write_page
from twinbayes.report.reviewer.handover import write_checks, write_effects


def review(
    fit: Fit | AggregateFit,
    out: str | os.PathLike[str],
    *,
    checks: Iterable[CheckResult] | None = None,
    effects: Iterable[xr.Dataset] | None = None,
    interval: float = 0.9,
    title: str = "",
    show_code: bool = False,
) -> Path:
    """Write the review of a fit: one self-contained HTML file, the verdict first.

    It shows data and exclusions, the model in formulae, priors with their evidence, what the
    priors expect, diagnostics, shrinkage, calibration, scores, treatment effects by subgroup,
    limits and provenance. A section without evidence says NOT PROVIDED. No patient is named, and
    counts below 5 are suppressed.

    Parameters
    ----------
    fit
        The fit under review: of patients, or of aggregate data, which has sections of its own.
    out
        The HTML file to write.
    checks
        Further evidence, such as cross-validated scores.
    effects
        Treatment effects of this fit, from `twinbayes.twin.treatment_effect`. What they say of
        single patients is left out.
    interval
        Probability of posterior intervals.
    title
        Title of the page.
    show_code
        Show the code of the notebook.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ReportError
        If the extra `notebooks` is not installed, or the template failed.
    """
    if not 0.0 < interval < 1.0:
        raise OptionError(f"interval must be a probability between 0 and 1, not {interval!r}.")
    if isinstance(fit, AggregateFit):
        if checks is not None or effects is not None:
            raise OptionError("Reviews of aggregate data take no further checks and no effects.")
        return _review_aggregate(fit, out, interval, title, show_code)
    with tempfile.TemporaryDirectory(prefix="twinbayes-") as folder:
        parameters: dict[str, object] = {
            "fit_path": str(fit.save(Path(folder) / "fit.nc")),
            "interval": interval,
        }
        if checks is not None:
            parameters["checks_path"] = str(write_checks(Path(folder) / "checks.json", checks))
        if effects is not None:
            path = write_effects(Path(folder) / "effects.json", effects)
            parameters["effects_path"] = str(path)
        notebook = run_template("model_review", parameters)
    page = render_page(
        notebook,
        usable=fit.verdict.usable,
        simulated=fit.cohort.simulated,
        title=title or f"Model review: {fit.spec.title}",
        show_code=show_code,
    )
    return write_page(out, page)


def _review_aggregate(
    fit: AggregateFit,
    out: str | os.PathLike[str],
    interval: float,
    title: str,
    show_code: bool,
) -> Path:
    with tempfile.TemporaryDirectory(prefix="twinbayes-") as folder:
        path = str(fit.save(Path(folder) / "fit.nc"))
        notebook = run_template("basket_review", {"fit_path": path, "interval": interval})
    page = render_page(
        notebook,
        usable=fit.verdict.usable,
        simulated=False,
        title=title or f"Review: {fit.spec.title}",
        show_code=show_code,
    )
    return write_page(out, page)
