"""The command line: from tables to fits, reports, twins and trials, and fits of several sites.

Exit codes are those of `answers.EXIT_CODES`. With ``--json`` standard output carries one JSON
object and nothing else. A place to write to is tried before anything that takes long. Heavy
packages are imported inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from twinbayes.cli.answers import (
    EXIT_CODES,
    NOT_FOR_USE,
    USABLE,
    AsJson,
    print_json,
    reports_errors,
)
from twinbayes.cli.commands import (
    Adapter,
    CohortPath,
    FitPath,
    IgnoredEvents,
    Interval,
    Out,
    Without,
    code_of,
    cohort_of,
    described,
    findings_of,
    list_suspects,
    misfits_of,
    of_patients,
    read_fit,
    require_places,
    tell,
    unused_of,
    verdict_of,
    with_evidence,
)
from twinbayes.cli.diseases import diseases
from twinbayes.cli.federating.federation import federation
from twinbayes.cli.imports import EXAMPLE as IMPORT_EXAMPLE
from twinbayes.cli.imports import import_source
from twinbayes.cli.known import known_diseases
from twinbayes.cli.monitoring import MONITOR_EXAMPLE, TRANSPORT_EXAMPLE, monitor, transport
from twinbayes.cli.priors import priors as prior_commands
from twinbayes.cli.releasing.bill import SBOM_EXAMPLE, sbom
from twinbayes.cli.releasing.crate import pack_review, require_crate
from twinbayes.cli.releasing.dossiers import dossiers
from twinbayes.cli.releasing.release import release
from twinbayes.cli.releasing.sharing import SHARE_EXAMPLE, inspect, share
from twinbayes.cli.serving import EXAMPLE as SERVE_EXAMPLE
from twinbayes.cli.serving import serve, verify
from twinbayes.cli.sheets import EXAMPLE as SHEETS_EXAMPLE
from twinbayes.cli.sheets import twins as sheets
from twinbayes.cli.simulate import EXAMPLE, simulate
from twinbayes.cli.twins import twins
from twinbayes.private_files import require_writable

app = typer.Typer(
    name="twinbayes",
    help="From a registry's tables to patient forecasts and a reviewer's report.",
    epilog=f"{EXIT_CODES} Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could show a patient's record.
    pretty_exceptions_enable=False,
)
app.add_typer(twins, name="twin")
app.add_typer(prior_commands, name="priors")
app.add_typer(diseases, name="disease")
app.add_typer(federation, name="federation")
app.add_typer(release, name="release")
app.add_typer(dossiers, name="dossier")
app.command(epilog=EXAMPLE)(simulate)
app.command("import", epilog=IMPORT_EXAMPLE)(import_source)
app.command(epilog=SERVE_EXAMPLE)(serve)
app.command(epilog="Example:  twinbayes verify audit.jsonl --head 3f5a…")(verify)
app.command(epilog=MONITOR_EXAMPLE)(monitor)
app.command(epilog=TRANSPORT_EXAMPLE)(transport)
app.command(epilog=SHARE_EXAMPLE)(share)
app.command(epilog="Example:  twinbayes inspect shared.nc")(inspect)
app.command(epilog=SBOM_EXAMPLE)(sbom)
app.command("twins", epilog=SHEETS_EXAMPLE)(sheets)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"twinbayes {version('twinbayes')}")
        raise typer.Exit


@app.callback()
def twinbayes(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """From a registry's tables to patient forecasts and a reviewer's report."""


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
    ignore_event: IgnoredEvents = None,
    out: Annotated[Path | None, typer.Option(help="Write the quality report as HTML.")] = None,
    suspects: Annotated[
        Path | None,
        typer.Option(
            help="Write suspect rows as CSV, with identifiers: keep it where they may be."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Read a cohort: all faults at once, or what its data look like."""
    require_places(out, suspects, cohort=cohort, adapter=adapter, disease=disease)
    data = cohort_of(cohort, adapter)
    report = data.quality()
    misfits = () if disease is None else misfits_of(data, disease, without, ignore_event)
    if out is not None:
        from twinbayes.report.quality_page import write_quality_page

        write_quality_page(report, out)
    listed = None if suspects is None else list_suspects(data, report, cohort, adapter, suspects)
    if as_json:
        print_json({
            "cohort": data.name, "simulated": data.simulated, "patients": data.n_patients,
            "subgroups": len(data.subgroups), "centres": len(data.centres),
            "excluded_rows": len(data.excluded), "fingerprint": data.fingerprint,
            "flags": list(report.flags), "findings": findings_of(report),
            "report": None if out is None else str(out), "suspects": listed,
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
    if listed is not None:
        typer.echo(f"Suspect rows: {listed}. It names patients: keep it where they may be.")
    return USABLE


@app.command(epilog="Example:  twinbayes fit my_cohort --disease aml --seed 1 --out aml.nc")
@reports_errors
def fit(
    cohort: CohortPath,
    disease: Annotated[
        str, typer.Option(help=f"{known_diseases()}: see `twinbayes disease new --help`.")
    ],
    out: Out,
    adapter: Adapter = None,
    without: Without = None,
    ignore_event: IgnoredEvents = None,
    priors: Annotated[
        str | None, typer.Option(help="Prior library name or YAML file; default: the disease's.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="nutpie, pymc or numpyro.")] = "nutpie",
    draws: Annotated[
        int | None,
        typer.Option(
            help="Draws kept of each chain, in one run; default: 1000, and on until it is usable."
        ),
    ] = None,
    tune: Annotated[int, typer.Option(help="Warm-up draws of each chain.")] = 1000,
    chains: Annotated[int, typer.Option(help="Number of chains.")] = 4,
    target_accept: Annotated[
        float, typer.Option(help="Closer to 1: smaller steps, fewer divergences, slower.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="The same seed gives the same draws.")] = 0,
    cores: Annotated[
        int | None, typer.Option(help="Chains that run at the same time; default: as many as can.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Begin no further run after so many seconds.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Fit a disease model to a cohort and save the fit."""
    require_places(out, cohort=cohort, adapter=adapter, disease=disease, priors=priors)

    import twinbayes as tb

    data = cohort_of(cohort, adapter)
    spec = described(disease, without, ignore_event)
    unused = unused_of(data, spec)
    if not as_json:
        for line in unused:
            typer.echo(f"- {line}", err=True)  # before what takes long; the verdict comes first
    fitted = tb.fit(
        spec, data,
        priors=None if priors is None else tb.load_priors(priors),
        sampler=sampler, draws=draws, tune=tune, chains=chains, seed=seed,
        cores=cores, max_seconds=max_seconds, progressbar=not as_json,
        target_accept=target_accept,
    )  # fmt: skip
    saved = fitted.save(out)
    if as_json:
        print_json({
            **verdict_of(fitted), "fit": str(saved), "misfits": list(unused),
            "manifest": dict(fitted.manifest),
        })  # fmt: skip
    else:
        typer.echo(str(fitted.verdict))
        typer.echo(f"Fit: {saved}. It holds the patients' records: keep it where they may be.")
    return code_of(fitted)


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
    context: Annotated[
        Path | None,
        typer.Option(help="YAML file of what only the author can say, such as the context of use."),
    ] = None,
    tables: Annotated[
        Path | None, typer.Option(help="Folder for the CSV of each table and figure.")
    ] = None,
    interval: Interval = 0.9,
    show_code: Annotated[bool, typer.Option(help="Show the code behind each section.")] = False,
    crate: Annotated[
        Path | None,
        typer.Option(help="New folder for an RO-Crate: the page, hashes, provenance, software."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Under which the review may be used, for --crate.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write the reviewer's report: one HTML file of twenty sections, the verdict first."""
    require_places(out, fit=fit_path, checks=checks, effects=effects, context=context)

    import twinbayes as tb
    from twinbayes.report import read_checks, read_effects

    require_crate(crate, licence, out)
    fitted = with_evidence(read_fit(fit_path))
    given = None if checks is None else read_checks(checks)
    asked = None if effects is None else read_effects(effects)
    page = tb.review(
        fitted, out, checks=given, effects=asked, interval=interval, show_code=show_code,
        context=context, tables=tables,
    )  # fmt: skip
    pack_review(crate, page, fit_path, fitted, context, licence)
    return tell(fitted, page, "report", as_json)


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
    require_places(out, fit=fit_path)

    from twinbayes.effects import Estimand, treatment_effect
    from twinbayes.names import DAYS_PER_YEAR
    from twinbayes.report import write_effects
    from twinbayes.report.effect_lines import effect_lines

    fitted = of_patients(read_fit(fit_path))
    asked = Estimand.starting(
        treatment, landmark=landmark, times=years * DAYS_PER_YEAR, states=tuple(state or ()),
        subgroups=tuple(subgroup or ()), summary=summary, endpoint=endpoint,
    )  # fmt: skip
    found = treatment_effect(fitted, asked, interval=interval, allow_unsupported=allow_unsupported)
    page = write_effects(out, [found])
    if not as_json:
        typer.echo(found.attrs["estimand"])
        if "warning" in found.attrs:
            typer.echo(found.attrs["warning"])
        typer.echo("\n".join(effect_lines(found)))
    return tell(fitted, page, "effect", as_json)


@app.command(epilog="Example:  twinbayes demo --data registry --out out/demo")
@reports_errors
def demo(
    data: Annotated[str, typer.Option(help="registry (simulated) or ebmt (real).")] = "registry",
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the sampler.")] = 1,
    as_json: AsJson = False,
) -> int:
    """Run the whole path: cohort, fit, review, and two patients with their pictures."""
    require_writable(out / "fit.nc")

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
