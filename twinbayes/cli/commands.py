"""What commands share: arguments and options, data and fits read, and the verdict told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, print_json
from twinbayes.cli.known import known_adapters
from twinbayes.errors import OptionError, StorageError, TwinbayesError

if TYPE_CHECKING:
    from twinbayes.cohort import Cohort, QualityReport
    from twinbayes.inference import AggregateFit, Fit, ModelFit, SharedFit

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
IgnoredEvents = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-event", help="An event of the cohort that moves nobody; may be repeated."
    ),
]
Out = Annotated[Path, typer.Option(help="File to write.")]
FitPath = Annotated[Path, typer.Argument(help="A fit that `twinbayes fit` wrote.")]
Interval = Annotated[float, typer.Option(help="Probability of the equal-tailed intervals.")]


def as_file(name: str | None) -> str | None:
    """A disease or a set of priors where it is named by its file; None where it is not."""
    is_file = name is not None and Path(name).suffix.lower() in (".yaml", ".yml")
    return name if is_file else None


def cohort_of(cohort: str, adapter: str | None) -> Cohort:
    """Read a cohort folder, a published data set, or the embedded registry."""
    from twinbayes.cohort import read_cohort

    if cohort == "registry" and adapter is None and not Path(cohort).exists():
        from twinbayes import datasets

        return datasets.registry()
    return read_cohort(None if cohort == "-" else cohort, adapter)


def require_places(
    *outs: Path | None, adapter: str | None = None, **reads: str | Path | None
) -> None:
    """Try all places that are to be written to, which are different ones, and look what is there.

    `reads` are files and folders by what they are. All that is wrong is told at once; one alone
    that is not there is left to its reader, which knows more of it.
    """
    from twinbayes.private_files import require_writable

    given = [out for out in outs if out is not None]
    places = {what: _place(what, name, adapter) for what, name in reads.items()}
    faults: list[TwinbayesError] = []
    for out in given:
        try:
            require_writable(out, reads=places.values())
        except StorageError as error:
            faults.append(error)
    if len({out.resolve() for out in given}) < len(given):
        faults.append(OptionError("Two files would have one name. Give each a place of its own."))
    missing = [
        f"{what} {Path(place).name[:60]!r}: there is nothing of this name. Give its path."
        for what, place in places.items()
        if place is not None and not os.path.lexists(place)
    ]
    if len(faults) == 1 and not missing:
        raise faults[0]
    if len(faults) + len(missing) > 1:
        raise StorageError("\n".join((*map(str, faults), *missing)))


def _place(what: str, name: str | Path | None, adapter: str | None) -> str | Path | None:
    """The place that a name stands for; None where it is that of something embedded."""
    if what in ("disease", "priors"):
        return as_file(None if name is None else str(name))
    if what == "cohort" and (name == "-" or (name == "registry" and adapter is None)):
        return None
    return name


def findings_of(report: QualityReport) -> list[dict[str, str]]:
    """Return what detectors found as plain JSON values, small counts in words."""
    return [
        {str(k): str(v) for k, v in row.items()}
        for row in report.tables["findings"].to_dict(orient="records")
    ]


def list_suspects(
    data: Cohort, report: QualityReport, cohort: str, adapter: str | None, out: Path
) -> str:
    """Write the rows that are suspected, by their place in the files where these are a folder."""
    from twinbayes.cohort.quality.suspects import suspect_rows, write_suspects
    from twinbayes.cohort.reading import rows_in_files

    is_folder = adapter is None and Path(cohort).exists()
    rows = rows_in_files(cohort) if is_folder else None
    return str(write_suspects(suspect_rows(data, report, rows), out))


def read_fit(path: Path) -> Fit | SharedFit | AggregateFit | ModelFit:
    """Read a fit; say so where it has a log of releases, and is not released by it."""
    import twinbayes as tb
    from twinbayes.releases import release_log_of, release_state

    fitted = tb.load_fit(path)
    if not release_log_of(path).exists():
        return fitted
    found = release_state(path)
    if found.lines and (found.state != "released" or found.faults):
        typer.echo("\n".join((f"{path.name}: {found}", *found.faults)), err=True)
    return fitted


def of_patients(fitted: Fit | SharedFit | AggregateFit | ModelFit) -> Fit:
    """Refuse a fit of anything else where a command is for patients."""
    from twinbayes.inference import AggregateFit, ModelFit, SharedFit

    if isinstance(fitted, SharedFit):
        raise OptionError(
            "This file holds a fit without its patients; the command shows what rests on them. "
            "Give the whole fit, or forecast new people from Python: fit.twin(cohort)."
        )
    if isinstance(fitted, AggregateFit | ModelFit):
        raise OptionError(
            "This file holds a fit of aggregate data, or of a PyMC model; the command is for "
            "patients."
        )
    return fitted


def with_evidence(
    fitted: Fit | SharedFit | AggregateFit | ModelFit,
) -> Fit | AggregateFit | ModelFit:
    """Refuse a fit whose data are not in it where a command shows what rests on them."""
    from twinbayes.inference import AggregateFit, ModelFit

    return fitted if isinstance(fitted, AggregateFit | ModelFit) else of_patients(fitted)


def tell(fitted: Any, page: Path, what: str, as_json: bool) -> int:
    """Say where a page is, with the verdict, and return the exit code."""
    if as_json:
        print_json({**verdict_of(fitted), what: str(page)})
    else:
        typer.echo(fitted.verdict.banner())
        typer.echo(f"{what.capitalize()}: {page}")
    return code_of(fitted)


def verdict_of(fitted: Any) -> dict[str, Any]:
    """Return the verdict of a fit as plain JSON values."""
    verdict = fitted.verdict
    return {
        "usable": verdict.usable,
        "verdict": verdict.banner(),
        "reasons": list(verdict.reasons),
        "summary": {k: (v if v == v else None) for k, v in verdict.summary.items()},
    }


def code_of(fitted: Any) -> int:
    """Return the exit code that goes with the verdict of a fit."""
    return USABLE if fitted.verdict.usable else NOT_FOR_USE


def described(disease: str, without: list[str] | None, ignored: list[str] | None = None) -> Any:
    """The model of a disease, without some covariates, and to which some events mean nothing."""
    import twinbayes as tb
    from twinbayes.errors import OptionError
    from twinbayes.model import ModelSpec

    spec = tb.disease(disease)
    if isinstance(spec, ModelSpec) and spec.reporting is not None:
        from twinbayes.report import require_scenarios_of

        require_scenarios_of(spec)
    if not without and not ignored:
        return spec
    if not isinstance(spec, ModelSpec):
        raise OptionError(
            f"--without and --ignore-event are for models of patients, and {disease!r} is none."
        )
    return spec.without_covariates(*(without or ())).ignoring(*(ignored or ()))


def misfits_of(
    data: Cohort, disease: str, without: list[str] | None, ignored: list[str] | None = None
) -> tuple[str, ...]:
    """What a model does not use of a cohort; raises what hinders a fit."""
    from twinbayes.errors import OptionError
    from twinbayes.model import ModelSpec, assemble
    from twinbayes.model.inspection.misfits import misfits

    spec = described(disease, without, ignored)
    if not isinstance(spec, ModelSpec):
        raise OptionError(f"check: {disease!r} is no model of patients.")
    found = misfits(spec, data)
    assemble(spec, data)  # priors that the model does not ask for, or lacks, hinder a fit too
    return found


def unused_of(data: Cohort, spec: Any) -> tuple[str, ...]:
    """What the model of patients leaves unused of a cohort, as `check` says it before a fit."""
    from twinbayes.model import ModelSpec
    from twinbayes.model.inspection.misfits import misfits

    return misfits(spec, data) if isinstance(spec, ModelSpec) else ()
