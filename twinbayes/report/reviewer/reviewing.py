"""From a fit to the reviewer's report."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.errors import OptionError, is_number, told
from twinbayes.inference import AggregateFit, Fit, ModelFit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.private_files import require_writable
from twinbayes.report.html.page import render_report, write_page
from twinbayes.report.reviewer import aggregate, plain_model, sections
from twinbayes.report.reviewer.evidence import collect


def review(
    fit: Fit | AggregateFit | ModelFit,
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
    priors expect, diagnostics, shrinkage, calibration, scores, covariate effects and how far each
    was shrunk, treatment effects by subgroup, limits and provenance. A section without evidence
    says NOT PROVIDED. No patient is named, and counts below 5 are suppressed. The file says which
    fit it is of, so that the ward explorer can hold it against the fit that it shows.

    Parameters
    ----------
    fit
        The fit under review: of patients; of aggregate data, or of a PyMC model, which have
        sections of their own.
    out
        The HTML file to write.
    checks
        Further evidence, such as cross-validated scores; each goes to the section of its topic.
    effects
        Treatment effects of this fit, from `twinbayes.effects.treatment_effect`. What they say of
        single patients is left out.
    interval
        Probability of posterior intervals.
    title
        Title of the page.
    show_code
        Show the code behind each section.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    OptionError
        If `fit` is no fit, `interval` is no probability, or a fit of aggregate data comes with
        checks or effects.
    StorageError
        If the page cannot be written there; told before anything is computed.
    ReportError
        If the page would refer to anything outside itself.

    Examples
    --------
    >>> tb.review(fit, "review.html").name  # doctest: +SKIP
    'review.html'
    """
    if not isinstance(cast(object, fit), Fit | AggregateFit | ModelFit):
        raise OptionError(
            f"review: a fit from `fit` or `load_fit` is needed, not a {type(fit).__name__}."
        )
    if not is_number(interval) or not 0.0 < interval < 1.0:
        raise OptionError(f"interval must be a probability between 0 and 1, not {told(interval)}.")
    if not isinstance(fit, Fit) and (checks is not None or effects is not None):
        raise OptionError("Only reviews of fits of patients take further checks and effects.")
    require_writable(out)
    if isinstance(fit, ModelFit):
        page = render_report(
            plain_model.MODEL_REVIEW,
            lambda: plain_model.ModelEvidence(fit, interval),
            title=title or "Review of a PyMC model",
            lead=plain_model.LEAD,
            usable=fit.verdict.usable,
            simulated=False,
            show_code=show_code,
            at_a_glance=False,
            fit=manifest_hash(fit.manifest),
        )
    elif isinstance(fit, AggregateFit):
        page = render_report(
            aggregate.BASKET_REVIEW,
            lambda: aggregate.collect_aggregate(fit, interval=interval),
            title=title or f"Review: {fit.spec.title}",
            lead=aggregate.LEAD,
            usable=fit.verdict.usable,
            simulated=False,
            show_code=show_code,
            at_a_glance=True,
            fit=manifest_hash(fit.manifest),
        )
    else:
        page = render_report(
            sections.REVIEW,
            lambda: collect(fit, checks=checks or (), effects=effects or (), interval=interval),
            title=title or f"Model review: {fit.spec.title}",
            lead=sections.LEAD,
            usable=fit.verdict.usable,
            simulated=fit.cohort.simulated,
            show_code=show_code,
            at_a_glance=True,
            fit=manifest_hash(fit.manifest),
        )
    return write_page(out, page)
