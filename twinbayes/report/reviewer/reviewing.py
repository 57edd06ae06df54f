"""From a fit to the reviewer's report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.errors import OptionError, is_number, told
from twinbayes.inference import AggregateFit, Fit, ModelFit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.private_files import require_writable
from twinbayes.report.html.page import write_page
from twinbayes.report.required.context import context_of
from twinbayes.report.required.rendering import render_review, require_folder, write_tables
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
    context: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    tables: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the review of a fit: one self-contained HTML file of twenty sections.

    The first screen says in words whether the fit may be used, for whom not, why, and what is
    missing. The sections are the same in every review, whatever was fitted (`DEMANDS` of
    ``twinbayes.report.required.demands``); one without evidence says NOT PROVIDED, and what would
    provide it. Tables and figures are numbered, and a link beside each holds its CSV. No patient is
    named, and counts below 5 are suppressed. The file says which fit it is of, so
    that the ward explorer can hold it against the fit that it shows.

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
    context
        What only the author can say, such as the context of use: field → text, or a YAML file of
        that kind. What it does not say is NOT PROVIDED.
    tables
        A folder in which the CSV of each table and figure is written, such as
        ``table-09-01.csv``: what the page shows, small counts hidden.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    OptionError
        If `fit` is no fit, or has no patients, `interval` is no probability, a fit of aggregate
        data comes with checks or effects, or the context has a field that is not known.
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
            f"review: a fit from `fit` or `load_fit` is needed, not a {type(fit).__name__}. One "
            "without its patients has no evidence to show: review the whole fit."
        )
    if not is_number(interval) or not 0.0 < interval < 1.0:
        raise OptionError(f"interval must be a probability between 0 and 1, not {told(interval)}.")
    if not isinstance(fit, Fit) and (checks is not None or effects is not None):
        raise OptionError("Only reviews of fits of patients take further checks and effects.")
    said = context_of(context)
    require_writable(out)
    if tables is not None:
        require_folder(tables)
    if isinstance(fit, ModelFit):
        page = render_review(
            plain_model.MODEL_REVIEW,
            lambda: plain_model.ModelEvidence(fit, interval),
            said,
            title=title or "Review of a PyMC model",
            lead=plain_model.LEAD,
            show_code=show_code,
            fit=manifest_hash(fit.manifest),
        )
    elif isinstance(fit, AggregateFit):
        page = render_review(
            aggregate.BASKET_REVIEW,
            lambda: aggregate.collect_aggregate(fit, interval=interval),
            said,
            title=title or f"Review: {fit.spec.title}",
            lead=aggregate.LEAD,
            show_code=show_code,
            fit=manifest_hash(fit.manifest),
        )
    else:
        page = render_review(
            sections.REVIEW,
            lambda: collect(fit, checks=checks or (), effects=effects or (), interval=interval),
            said,
            title=title or f"Model review: {fit.spec.title}",
            lead=sections.LEAD,
            show_code=show_code,
            fit=manifest_hash(fit.manifest),
        )
    written = write_page(out, page)
    if tables is not None:
        write_tables(page, tables)
    return written
