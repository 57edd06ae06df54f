"""The commands `twinbayes share` and `inspect`: what may leave a centre, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from twinbayes.cli.answers import USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import FitPath, Out, of_patients, read_fit, require_places, tell

SHARE_EXAMPLE = "Example:  twinbayes share aml.nc --out aml_shared.nc"


@reports_errors
def share(fit_path: FitPath, out: Out = Path("shared.nc"), as_json: AsJson = False) -> int:
    """Write a fit without its patients: it forecasts new people, and may leave the centre."""
    require_places(out, fit=fit_path)

    shared = of_patients(read_fit(fit_path)).without_patients()
    return tell(shared, shared.save(out), "file", as_json)


@reports_errors
def inspect(
    fit_path: Annotated[Path, typer.Argument(help="Any file that a fit was saved in.")],
    as_json: AsJson = False,
) -> int:
    """Say what a file of a fit holds: patients, draws, labels, provenance; nothing of a patient."""
    require_places(fit=fit_path)

    from twinbayes.inference import inspect_fit

    found = inspect_fit(fit_path)
    if as_json:
        print_json(found)
        return USABLE
    for line in _lines(found):
        typer.echo(line)
    return USABLE


def _lines(found: dict[str, Any]) -> list[str]:
    """What is in a file, a line for each kind of content."""
    manifest, by_patient = found["manifest"], found["by_patient"]
    usable = {True: "usable", False: "NOT FOR USE", None: "not judged"}[found["usable"]]
    records = ", ".join(f"{name} {rows}" for name, rows in found["tables"].items())
    learnt = ", ".join(f"{name} {n}" for name, n in found["learnt"].items())
    return [
        f"{found['kind'].capitalize()}, {usable}",
        f"Records of patients: {found['patients']}" + (f" (rows: {records})" if records else ""),
        f"Draws with a value for each patient: {', '.join(by_patient) or 'none'}",
        f"Other draws: {len(found['draws'])} variables",
        *(f"Labels, {dim}: {', '.join(labels)}" for dim, labels in found["labels"].items()),
        f"Learnt from the data before sampling, in numbers: {learnt or 'nothing'}",
        f"Made {manifest.get('created', 'on a day that is not known')}, data "
        f"{str(manifest.get('cohort_fingerprint'))[:16]}, model "
        f"{str(manifest.get('spec_hash'))[:16]}, priors {str(manifest.get('prior_hash'))[:16]}",
    ]
