"""The commands `twinbayes twin`: one patient's report, and the ledger of updates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import (
    Adapter,
    CohortPath,
    FitPath,
    Interval,
    Out,
    cohort_of,
    of_patients,
    read_fit,
    require_places,
    tell,
)
from twinbayes.errors import OptionError


class _ReportByDefault(TyperGroup):
    """`twinbayes twin FIT ...` writes a report; a first word that names a command runs that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands:
            args = ["report", *args]
        return super().parse_args(ctx, args)


twins = typer.Typer(
    cls=_ReportByDefault,
    help="One patient's report, and the ledger of updates. Without a command: the report. "
    "Sheets of many patients: twinbayes twins.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@twins.command(
    "report",
    epilog="Example:  twinbayes twin aml.nc --patient ID --at 0 --out patient.html. The other "
    "command, to check a ledger of updates:  twinbayes twin verify --help. Sheets of many "
    "patients:  twinbayes twins --help",
)
@reports_errors
def report(
    fit_path: FitPath,
    patient: Annotated[str | None, typer.Option(help="A patient of the fitted cohort.")] = None,
    new: Annotated[
        Path | None, typer.Option(help="Cohort folder of one patient who is not in the fit.")
    ] = None,
    out: Out = Path("patient.html"),
    at: Annotated[
        float | None, typer.Option(help="Landmark day since origin; default: the last day known.")
    ] = None,
    years: Annotated[
        float | None,
        typer.Option(help="Horizon in years from the landmark; default: the disease's, or 5."),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="One of two ways of treating to compare; give it twice. 'policy', 'no TREATMENT', "
            "'TREATMENT on day DAY in STATE or STATE' (days since origin), 'TREATMENT after DAYS "
            "days in STATE' (from --at), 'COVARIATE = VALUE', or several with ' and ' between. "
            "Default: those of the disease, or starting the first treatment that still can start, "
            "from the present state, against not starting it."
        ),
    ] = None,
    interval: Interval = 0.9,
    show_patient_id: Annotated[bool, typer.Option(help="Print the identifier.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write one patient's report: forecast, contrast, and what they rest on."""
    if (patient is None) == (new is None):
        raise OptionError("Give either --patient, one of the fitted cohort, or --new, a folder.")
    if scenario and len(scenario) != 2:
        raise OptionError(f"--scenario is given {len(scenario)} times. Give it twice, or not.")
    require_places(out, fit=fit_path, new=new)

    import twinbayes as tb
    from twinbayes.names import DAYS_PER_YEAR
    from twinbayes.report import scenario_from_words, twin_report

    compared = [scenario_from_words(text, at) for text in scenario] if scenario else None
    fitted = of_patients(read_fit(fit_path))
    who = tb.read_cohort(new) if new is not None else str(patient)
    until = None if years is None else years * DAYS_PER_YEAR
    page = twin_report(
        fitted, who, out, at=at, until=until, scenarios=compared,
        interval=interval, show_patient_ids=show_patient_id,
    )  # fmt: skip
    return tell(fitted, page, "report", as_json)


@twins.command("verify", epilog="Example:  twinbayes twin verify aml.nc my_cohort updates.jsonl")
@reports_errors
def verify(
    fit_path: FitPath,
    cohort: CohortPath,
    ledger: Annotated[Path, typer.Argument(help="The ledger; its head lies beside it.")],
    adapter: Adapter = None,
    head: Annotated[
        str | None,
        typer.Option(help="Hash of a record, kept elsewhere: detects an end cut off on purpose."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check a ledger's chain, and do all its updates again, bit for bit."""
    from twinbayes.twin import Ledger, replay

    require_places(fit=fit_path, cohort=cohort, adapter=adapter, ledger=ledger)
    records = Ledger(ledger).records(head=head)
    problems = replay(of_patients(read_fit(fit_path)), cohort_of(cohort, adapter), records)
    last = records[-1]["hash"] if records else None
    if as_json:
        print_json({"verified": not problems, "records": len(records), "head": last,
                     "problems": problems})  # fmt: skip
    else:
        for problem in problems:
            typer.echo(problem)
        typer.echo(f"{len(records)} records, {'NOT ' * bool(problems)}verified. Head: {last}")
    return NOT_FOR_USE if problems else USABLE
