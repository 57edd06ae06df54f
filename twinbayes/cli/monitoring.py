"""The command `twinbayes monitor`: whether a fit in use is still true of those who come."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import (
    Adapter,
    FitPath,
    Out,
    cohort_of,
    read_fit,
    require_places,
    tell,
)
from twinbayes.errors import OptionError

if TYPE_CHECKING:
    from twinbayes.cohort import Cohort
    from twinbayes.monitoring import Look

MONITOR_EXAMPLE = (
    "Example:  twinbayes monitor aml.nc --stream registry_now --log monitor.jsonl "
    "--out monitor.html"
)
TRANSPORT_EXAMPLE = (
    "Example:  twinbayes transport aml.nc --cohort new_centre --out aml_there.nc --page moved.html"
)
Log = Annotated[
    Path, typer.Option(help="Log of looks and alarms. Begun where nothing is, else continued.")
]


@reports_errors
def monitor(
    fit_path: FitPath,
    log: Log,
    stream: Annotated[
        str | None,
        typer.Option(
            help="Cohort folder of the patients since: all their records as they are now. With a "
            "fit without patients, of others than those that it was learnt from."
        ),
    ] = None,
    adapter: Adapter = None,
    alpha: Annotated[
        float, typer.Option(help="Probability of a false alarm ever, if the fit is true.")
    ] = 0.05,
    out: Annotated[Path | None, typer.Option(help="Write the look as HTML.")] = None,
    close: Annotated[
        str | None,
        typer.Option(help="Close an alarm, 'hazards' or 'policy'; with --who and --why."),
    ] = None,
    who: Annotated[str, typer.Option(help="Who closes it.")] = "",
    why: Annotated[str, typer.Option(help="What was found or done.")] = "",
    as_json: AsJson = False,
) -> int:
    """Look whether a fit is still true of the patients who come; an open alarm ends with code 3."""
    if (stream is None) == (close is None):
        raise OptionError("Give either --stream, to look, or --close, to close an alarm.")
    require_places(out, fit=fit_path, cohort=stream, adapter=adapter)

    from twinbayes.monitoring import MonitorLog

    if close is not None:
        if not os.path.lexists(log):
            raise OptionError(f"--log: there is no log of the name {log.name!r}.")
        chain = MonitorLog(log)
        record = chain.close(close, who=who, why=why)
        alarms = chain.open_alarms()
        if as_json:
            print_json({"closed": close, "alarms": alarms, "head": record["hash"]})
        else:
            typer.echo(f"Closed: {close}. Evidence begins anew. Head of the log: {record['hash']}")
            _tell_open(alarms)
        return NOT_FOR_USE if alarms else USABLE
    look = _look(fit_path, cohort_of(str(stream), adapter), alpha, log)
    chain = MonitorLog.at(log)
    record = chain.add_look(look)
    if out is not None:
        from twinbayes.report.monitor_page import write_monitor_page

        write_monitor_page(look, out, chain)
    return _tell(look, chain.open_alarms(), record["hash"], out, as_json)


@reports_errors
def transport(
    fit_path: FitPath,
    cohort: Annotated[
        str,
        typer.Option(
            help="Cohort folder of the patients of the new centre, trial or era; the fit has seen "
            "none of them."
        ),
    ],
    out: Out,
    adapter: Adapter = None,
    learns: Annotated[
        str, typer.Option(help="The most that may be learnt: level, slope or shape.")
    ] = "level",
    agreement: Annotated[
        float, typer.Option(help="Probability that the place is like those that the fit knows.")
    ] = 0.8,
    order: Annotated[
        str | None,
        typer.Option(help="Covariate by which patients came, such as year; default: their rows."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fit.")] = 0,
    page: Annotated[
        Path | None, typer.Option(help="Write before and after as HTML, small counts hidden.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Move a fit to a new place whose level is learnt from its records; no record stays in it."""
    require_places(out, page, fit=fit_path, cohort=cohort, adapter=adapter)

    from twinbayes.inference import AggregateFit, ModelFit
    from twinbayes.monitoring import TransportPrior

    prior = TransportPrior(agreement=agreement)
    fit = read_fit(fit_path)
    if isinstance(fit, AggregateFit | ModelFit):
        raise OptionError("Only fits of patients can be moved.")
    there = cohort_of(cohort, adapter)
    moved = fit.transport(there, learns=learns, prior=prior, order=order, seed=seed)
    saved = moved.save(out)
    if page is not None:
        from twinbayes.report.transport_page import write_transport_page

        write_transport_page(fit, moved, there, page)
        if not as_json:
            typer.echo(f"Page: {page}")
    return tell(moved, saved, "file", as_json)


def _tell(
    look: Look, alarms: list[dict[str, Any]], head: str, out: Path | None, as_json: bool
) -> int:
    """Say what a look saw, and return the exit code."""
    if as_json:
        cells = look.shown()
        print_json({
            "alarms": alarms, "said": look.lines(), "head": head,
            "cells": cells.astype(object).where(cells.notna(), None).to_dict(orient="records"),
            "page": None if out is None else str(out),
        })  # fmt: skip
        return NOT_FOR_USE if alarms else USABLE
    for line in look.lines():
        typer.echo(line)
    _tell_open(alarms)
    typer.echo(f"Head of the log: {head}")
    if out is not None:
        typer.echo(f"Page: {out}")
    return NOT_FOR_USE if alarms else USABLE


def _tell_open(alarms: list[dict[str, Any]]) -> None:
    for alarm in alarms:
        typer.echo(f"OPEN ALARM since {alarm['since'][:10]}: {alarm['about']}")


def _look(fit_path: Path, cohort: Cohort, alpha: float, log: Path) -> Look:
    """Look, from where the last alarm of the log was closed."""
    from twinbayes.inference import AggregateFit, ModelFit
    from twinbayes.monitoring import MonitorLog, watch

    since = MonitorLog(log).since() if os.path.lexists(log) else None
    fit = read_fit(fit_path)
    if isinstance(fit, AggregateFit | ModelFit):
        raise OptionError("Only fits of patients can be monitored.")
    return watch(fit, alpha=alpha).look(cohort, since=since)
