"""The command line: check, fit, review, twin, effect, priors, simulate, demo.

Exit codes: 0 usable, 1 not for use, 2 bad input. With ``--json`` standard output carries one JSON
object and nothing else. Heavy packages are imported inside the commands, so that ``--help`` is
quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.known import known_adapters, known_diseases
from twinbayes.cli.priors import priors as prior_commands
from twinbayes.cli.simulate import EXAMPLE, simulate

if TYPE_CHECKING:
    from twinbayes.cohort import Cohort
    from twinbayes.inference import AggregateFit, Fit

app = typer.Typer(
    name="twinbayes",
    help="From a registry's tables to patient forecasts and a reviewer's report.",
    epilog="Exit codes: 0 usable, 1 not for use, 2 bad input. Research software, not a medical "
    "device.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could show a patient's record.
    pretty_exceptions_enable=False,
)


class _ReportByDefault(TyperGroup):
    """`twinbayes twin FIT ...` writes a report; a first word that names a command runs that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["report", *args]
        return super().parse_args(ctx, args)


twins = typer.Typer(
    cls=_ReportByDefault,
    help="One patient's report, and the ledger of updates. Without a command: the report.",
    epilog="Example:  twinbayes twin aml.nc --patient ID --at 0 --out patient.html",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(twins, name="twin")
app.add_typer(prior_commands, name="priors")
app.command(epilog=EXAMPLE)(simulate)

CohortPath = Annotated[
    str, typer.Argument(help="Cohort folder, or 'registry' for the embedded simulated one.")
]
Adapter = Annotated[
    str | None,
    typer.Option(help=f"Read a published data set: {known_adapters()} ('-' as its place: the "
                 "installed package)."),
]  # fmt: skip
Without = Annotated[
    list[str] | None,
    typer.Option(help="Leave out a covariate of the model, such as sex; may be repeated."),
]
Out = Annotated[Path, typer.Option(help="File to write.")]
FitPath = Annotated[Path, typer.Argument(help="A fit that `twinbayes fit` wrote.")]
Interval = Annotated[float, typer.Option(help="Probability of the equal-tailed intervals.")]


@app.command(epilog="Example:  twinbayes check my_cohort --disease aml --out quality.html")
@reports_errors
def check(
    cohort: CohortPath,
    adapter: Adapter = None,
    disease: Annotated[
        str | None,
        typer.Option(help=f"Also say whether the model fits the data: {known_diseases()}."),
    ] = None,
    without: Without = None,
    out: Annotated[Path | None, typer.Option(help="Write the quality report as HTML.")] = None,
    as_json: AsJson = False,
) -> int:
    """Read a cohort: all faults at once, or what its data look like."""
    data = _read(cohort, adapter)
    report = data.quality()
    misfits = () if disease is None else _misfits(data, disease, without)
    if out is not None:
        from twinbayes.report.quality_page import write_quality_page

        write_quality_page(report, out)
    if as_json:
        print_json({
            "cohort": data.name, "simulated": data.simulated, "patients": data.n_patients,
            "subgroups": len(data.subgroups), "centres": len(data.centres),
            "excluded_rows": len(data.excluded), "fingerprint": data.fingerprint,
            "flags": list(report.flags), "report": None if out is None else str(out),
            "disease": disease, "misfits": list(misfits),
        })  # fmt: skip
        return USABLE
    typer.echo(repr(data))
    typer.echo(f"Excluded rows: {len(data.excluded)}. Fingerprint: {data.fingerprint}")
    for flag in report.flags or ("Nothing stands out.",):
        typer.echo(f"- {flag}")
    if disease is not None:
        typer.echo(f"The model {disease!r} can be fitted to these data.")
    for misfit in misfits:
        typer.echo(f"- {misfit}")
    if out is not None:
        typer.echo(f"Quality report: {out}")
    return USABLE


@app.command(epilog="Example:  twinbayes fit my_cohort --disease aml --seed 1 --out aml.nc")
@reports_errors
def fit(
    cohort: CohortPath,
    disease: Annotated[str, typer.Option(help=f"{known_diseases()}.")],
    out: Out,
    adapter: Adapter = None,
    without: Without = None,
    priors: Annotated[
        str | None, typer.Option(help="Prior library name or YAML file; default: the disease's.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="nutpie, pymc or numpyro.")] = "nutpie",
    draws: Annotated[int, typer.Option(help="Draws kept of each chain.")] = 1000,
    tune: Annotated[int, typer.Option(help="Warm-up draws of each chain.")] = 1000,
    chains: Annotated[int, typer.Option(help="Number of chains.")] = 4,
    target_accept: Annotated[
        float, typer.Option(help="Closer to 1: smaller steps, fewer divergences, slower.")
    ] = 0.8,
    seed: Annotated[int, typer.Option(help="The same seed gives the same draws.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Fit a disease model to a cohort and save the fit."""
    import twinbayes as tb

    data = _read(cohort, adapter)
    fitted = tb.fit(
        _described(disease, without), data,
        priors=None if priors is None else tb.load_priors(priors),
        sampler=sampler, draws=draws, tune=tune, chains=chains, seed=seed,
        progressbar=not as_json, target_accept=target_accept,
    )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    saved = fitted.save(out)
    if as_json:
        print_json({**_verdict(fitted), "fit": str(saved), "manifest": dict(fitted.manifest)})
    else:
        typer.echo(str(fitted.verdict))
        typer.echo(f"Fit: {saved}. It holds the patients' records: keep it where they may be.")
    return _code(fitted)


@app.command(epilog="Example:  twinbayes review aml.nc --out review.html")
@reports_errors
def review(
    fit_path: FitPath,
    out: Out = Path("review.html"),
    checks: Annotated[
        Path | None, typer.Option(help="Further checks, as `twinbayes.report.write_checks` wrote.")
    ] = None,
    effects: Annotated[
        Path | None, typer.Option(help="Treatment effects, as `twinbayes effect` wrote them.")
    ] = None,
    interval: Interval = 0.9,
    show_code: Annotated[bool, typer.Option(help="Show the code behind each section.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write the reviewer's report: one HTML file, the verdict first."""
    import twinbayes as tb
    from twinbayes.report import read_checks, read_effects

    fitted = tb.load_fit(fit_path)
    given = None if checks is None else read_checks(checks)
    asked = None if effects is None else read_effects(effects)
    page = tb.review(
        fitted, out, checks=given, effects=asked, interval=interval, show_code=show_code
    )
    return _tell(fitted, page, "report", as_json)


@app.command(
    epilog="Example:  twinbayes effect aml.nc --treatment allogeneic_transplant --landmark 120 "
    "--state remission --years 3 --out effects.json"
)
@reports_errors
def effect(
    fit_path: FitPath,
    treatment: Annotated[str, typer.Option(help="The treatment that starts, or never does.")],
    landmark: Annotated[float, typer.Option(help="Day since origin on which it starts.")],
    state: Annotated[
        list[str] | None, typer.Option(help="Only patients in this state then; may be repeated.")
    ] = None,
    subgroup: Annotated[
        list[str] | None, typer.Option(help="Only this subgroup; may be repeated.")
    ] = None,
    years: Annotated[float, typer.Option(help="Horizon in years from the landmark.")] = 5.0,
    summary: Annotated[
        str, typer.Option(help="Such as risk_difference, rmst_difference or hazard_ratio.")
    ] = "risk_difference",
    endpoint: Annotated[str, typer.Option(help="death, event_free, or a state.")] = "death",
    out: Out = Path("effects.json"),
    interval: Interval = 0.9,
    allow_unsupported: Annotated[
        bool, typer.Option(help="Go on where nobody can be compared, and say so.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Estimate what starting a treatment on a day does, against never; for `review --effects`."""
    import twinbayes as tb
    from twinbayes.effects import Estimand, treatment_effect
    from twinbayes.names import DAYS_PER_YEAR
    from twinbayes.report import write_effects

    fitted = _of_patients(tb.load_fit(fit_path))
    asked = Estimand.starting(
        treatment, landmark=landmark, times=years * DAYS_PER_YEAR, states=tuple(state or ()),
        subgroups=tuple(subgroup or ()), summary=summary, endpoint=endpoint,
    )  # fmt: skip
    found = treatment_effect(fitted, asked, interval=interval, allow_unsupported=allow_unsupported)
    page = write_effects(out, [found])
    if not as_json:
        numbers = [float(found[f"overall_{summary}{s}"][-1]) for s in ("", "_lower", "_upper")]
        typer.echo(found.attrs["estimand"])
        if "warning" in found.attrs:
            typer.echo(found.attrs["warning"])
        typer.echo("All: {:.4g} ({:.4g} to {:.4g}); ".format(*numbers) + found.attrs["support"])
    return _tell(fitted, page, "effect", as_json)


@twins.command("report", epilog="Example:  twinbayes twin aml.nc --patient ID --out patient.html")
@reports_errors
def twin(
    fit_path: FitPath,
    patient: Annotated[str | None, typer.Option(help="A patient of the fitted cohort.")] = None,
    new: Annotated[
        Path | None, typer.Option(help="Cohort folder of one patient who is not in the fit.")
    ] = None,
    out: Out = Path("patient.html"),
    at: Annotated[
        float | None, typer.Option(help="Landmark day since origin; default: the last day known.")
    ] = None,
    years: Annotated[float, typer.Option(help="Horizon in years from the landmark.")] = 5.0,
    interval: Interval = 0.9,
    show_patient_id: Annotated[bool, typer.Option(help="Print the identifier.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write one patient's report: forecast, contrast, and what they rest on."""
    import twinbayes as tb
    from twinbayes.errors import OptionError
    from twinbayes.names import DAYS_PER_YEAR
    from twinbayes.report import twin_report

    if (patient is None) == (new is None):
        raise OptionError("Give either --patient, one of the fitted cohort, or --new, a folder.")
    fitted = _of_patients(tb.load_fit(fit_path))
    who = tb.read_cohort(new) if new is not None else str(patient)
    page = twin_report(
        fitted, who, out, at=at, until=years * DAYS_PER_YEAR, interval=interval,
        show_patient_ids=show_patient_id,
    )  # fmt: skip
    return _tell(fitted, page, "report", as_json)


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
    import twinbayes as tb
    from twinbayes.twin import Ledger, replay

    records = Ledger(ledger).records(head=head)
    problems = replay(_of_patients(tb.load_fit(fit_path)), _read(cohort, adapter), records)
    last = records[-1]["hash"] if records else None
    if as_json:
        print_json({"verified": not problems, "records": len(records), "head": last,
                     "problems": problems})  # fmt: skip
    else:
        for problem in problems:
            typer.echo(problem)
        typer.echo(f"{len(records)} records, {'NOT ' * bool(problems)}verified. Head: {last}")
    return NOT_FOR_USE if problems else USABLE


@app.command(epilog="Example:  twinbayes demo --data registry --out out/demo")
@reports_errors
def demo(
    data: Annotated[str, typer.Option(help="registry (simulated) or ebmt (real).")] = "registry",
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the sampler.")] = 1,
    as_json: AsJson = False,
) -> int:
    """Run the whole path: cohort, fit, review, and two patients with their pictures."""
    from twinbayes.report.demo import run_demo

    result = run_demo(data, out, seed=seed, progressbar=not as_json)
    if as_json:
        print_json(result)
    else:
        kind = "simulated" if result["simulated"] else "real"
        typer.echo(f"{result['verdict']} ({result['patients']} {kind} patients)")
        for name, path in result["files"].items():
            typer.echo(f"  {name}: {path}")
        typer.echo(f"Open {result['files']['review']}")
    return USABLE if result["usable"] else NOT_FOR_USE


def _read(cohort: str, adapter: str | None) -> Cohort:
    from twinbayes.cohort import read_cohort

    if cohort == "registry" and adapter is None and not Path(cohort).exists():
        from twinbayes import datasets

        return datasets.registry()
    return read_cohort(None if cohort == "-" else cohort, adapter)


def _described(disease: str, without: list[str] | None) -> Any:
    """The model of a disease, without some covariates."""
    import twinbayes as tb
    from twinbayes.errors import OptionError
    from twinbayes.model import ModelSpec

    spec = tb.disease(disease)
    if not without:
        return spec
    if not isinstance(spec, ModelSpec):
        raise OptionError(f"--without is for models of patients, and {disease!r} is none.")
    return spec.without_covariates(*without)


def _misfits(data: Cohort, disease: str, without: list[str] | None) -> tuple[str, ...]:
    """What a model does not use of a cohort; raises what hinders a fit."""
    from twinbayes.errors import OptionError
    from twinbayes.model import ModelSpec
    from twinbayes.model.misfits import misfits

    spec = _described(disease, without)
    if not isinstance(spec, ModelSpec):
        raise OptionError(f"check: {disease!r} is no model of patients.")
    return misfits(spec, data)


def _of_patients(fitted: Fit | AggregateFit) -> Fit:
    from twinbayes.errors import OptionError
    from twinbayes.inference import AggregateFit

    if isinstance(fitted, AggregateFit):
        raise OptionError("This file holds a fit of aggregate data; the command is for patients.")
    return fitted


def _tell(fitted: Any, page: Path, what: str, as_json: bool) -> int:
    """Say where a page is, with the verdict, and return the exit code."""
    if as_json:
        print_json({**_verdict(fitted), what: str(page)})
    else:
        typer.echo(fitted.verdict.banner())
        typer.echo(f"{what.capitalize()}: {page}")
    return _code(fitted)


def _verdict(fitted: Any) -> dict[str, Any]:
    verdict = fitted.verdict
    return {
        "usable": verdict.usable,
        "verdict": verdict.banner(),
        "reasons": list(verdict.reasons),
        "summary": {k: (v if v == v else None) for k, v in verdict.summary.items()},
    }


def _code(fitted: Any) -> int:
    return USABLE if fitted.verdict.usable else NOT_FOR_USE
