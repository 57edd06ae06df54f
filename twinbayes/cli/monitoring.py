"""The command `twinbayes monitor`: whether a fit in use is still true of those who come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import Adapter, FitPath, cohort_of, require_places
from twinbayes.errors import OptionError

if TYPE_CHECKING:
    from twinbayes.cohort import Cohort
    from twinbayes.monitoring import Look, MonitorLog

MONITOR_EXAMPLE = (
    "Example:  twinbayes monitor aml.nc --stream registry_now --log monitor.jsonl "
    "--out monitor.html"
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
        typer.Option(help="Cohort folder of the patients since: their records as they are now."),
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

    chain = MonitorLog.at(log)
    if close is not None:
        record = chain.close(close, who=who, why=why)
        if as_json:
            print_json({"closed": close, "head": record["hash"]})
        else:
            typer.echo(f"Closed: {close}. Evidence begins anew. Head of the log: {record['hash']}")
        return USABLE
    look, record = _look(fit_path, cohort_of(str(stream), adapter), alpha, chain)
    alarms = chain.open_alarms()
    if out is not None:
        from twinbayes.report.monitor_page import write_monitor_page

        write_monitor_page(look, out, chain)
    if as_json:
        cells = look.shown()
        print_json({
            "alarms": alarms, "said": look.lines(), "head": record["hash"],
            "cells": cells.astype(object).where(cells.notna(), None).to_dict(orient="records"),
            "page": None if out is None else str(out),
        })  # fmt: skip
    else:
        for line in look.lines():
            typer.echo(line)
        for alarm in alarms:
            typer.echo(f"OPEN ALARM since {alarm['since'][:10]}: {alarm['about']}")
        typer.echo(f"Head of the log: {record['hash']}")
        if out is not None:
            typer.echo(f"Page: {out}")
    return NOT_FOR_USE if alarms else USABLE


def _look(
    fit_path: Path, cohort: Cohort, alpha: float, chain: MonitorLog
) -> tuple[Look, dict[str, Any]]:
    """Look, and write it down."""
    import twinbayes as tb
    from twinbayes.inference import AggregateFit, ModelFit
    from twinbayes.monitoring import watch

    fit = tb.load_fit(fit_path)
    if isinstance(fit, AggregateFit | ModelFit):
        raise OptionError("Only fits of patients can be monitored.")
    look = watch(fit, alpha=alpha).look(cohort, since=chain.since())
    return look, chain.add_look(look)
