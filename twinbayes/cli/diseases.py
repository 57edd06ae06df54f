"""The command line of disease files: new, check, show."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from twinbayes.cli.answers import EXIT_CODES, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import Adapter, cohort_of, require_places
from twinbayes.cli.known import known_diseases
from twinbayes.errors import OptionError, StorageError
from twinbayes.private_files import require_writable, write_private

if TYPE_CHECKING:
    import pandas as pd

    from twinbayes.cohort import Cohort
    from twinbayes.model import ModelSpec

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

diseases = typer.Typer(
    help="A disease as a YAML file of your own: begin one, check it, see what it says.",
    epilog=f"Example:  twinbayes disease new myeloma --out myeloma.yaml. {EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Described = Annotated[str, typer.Argument(help=f"A disease: {known_diseases()}.")]
CohortFolder = Annotated[
    str | None,
    typer.Option(
        help="Cohort folder, or 'registry'; default: patients made up to suit the description."
    ),
]


@diseases.command("new", epilog="Example:  twinbayes disease new myeloma --out myeloma.yaml")
@reports_errors
def new(
    name: Annotated[str, typer.Argument(help="Letters, digits and underscores.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: the name and .yaml.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="One line for people.")] = None,
    like: Annotated[
        str | None, typer.Option(help=f"Begin with a disease that is known: {known_diseases()}.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Begin a disease file: a template with notes, or what is known of another disease."""
    if not _NAME.fullmatch(name):
        raise OptionError(f"{name[:60]!r} is no name. Use letters, digits and underscores.")
    path = Path(f"{name}.yaml") if out is None else out
    if os.path.lexists(path):
        raise StorageError(
            f"{path.name!r} is there already, and is not written over. Give another --out."
        )
    require_writable(path)
    if like is None:
        from twinbayes.resources import resource_path

        template = resource_path("schemas", "disease", "v1.template.yaml").read_text("utf-8")
        said = (title or name.replace("_", " ").capitalize()).replace('"', "'")
        text = template.replace("name: NAME", f"name: {name}")
        write_private(path, text.replace("title: TITLE", f'title: "{said}"'))
    else:
        from dataclasses import replace

        spec = _spec(like)
        replace(spec, name=name, title=title or spec.title).write(path)
    if as_json:
        print_json({"disease": name, "file": str(path)})
    else:
        typer.echo(f"Written: {path}. Edit it, then:  twinbayes disease check {path}")
    return USABLE


@diseases.command("check", epilog="Example:  twinbayes disease check myeloma.yaml --cohort cohort")
@reports_errors
def check(
    disease: Described,
    cohort: CohortFolder = None,
    adapter: Adapter = None,
    as_json: AsJson = False,
) -> int:
    """Say all that is wrong with a disease, or that a model can be built of it."""
    require_places(disease=disease, cohort=cohort, adapter=adapter)
    spec = _spec(disease)
    data = _data(spec, cohort, adapter)
    from twinbayes.model import assemble
    from twinbayes.model.inspection.asked_priors import asked_priors
    from twinbayes.model.inspection.misfits import misfits

    assemble(spec, data)
    table = asked_priors(spec, data)
    unused = misfits(spec, data) if cohort is not None else ()
    if as_json:
        print_json({
            "disease": spec.name, "hash": spec.content_hash, "cohort": data.name,
            "synthetic": cohort is None, "misfits": list(unused),
            "priors": table.to_dict(orient="records"),
        })  # fmt: skip
        return USABLE
    typer.echo(_counted(spec))
    if cohort is None:
        typer.echo(f"A model of {data.n_patients} made-up patients can be built.")
        typer.echo("With your own:  --cohort FOLDER")
    else:
        typer.echo(f"A model of the {data.n_patients} patients of {data.name} can be built.")
    for misfit in unused:
        typer.echo(f"- {misfit}")
    shared = sorted({str(prior) for prior in table.loc[table["shared"], "prior"]})
    if shared:
        typer.echo(
            f"Answered by one entry for all that they are of: {', '.join(shared)}. An entry such "
            f"as '{shared[0]}.{table.loc[table['prior'] == shared[0], 'of'].iloc[0]}' would be of "
            "one alone."
        )
    return USABLE


@diseases.command("show", epilog="Example:  twinbayes disease show myeloma.yaml --out states.png")
@reports_errors
def show(
    disease: Described,
    cohort: CohortFolder = None,
    adapter: Adapter = None,
    out: Annotated[
        Path | None, typer.Option(help="Draw states and transitions into this PNG file.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Print a disease in words and formulae, with the priors that its model asks for."""
    require_places(out, disease=disease, cohort=cohort, adapter=adapter)
    spec = _spec(disease)
    data = _data(spec, cohort, adapter)
    from twinbayes.model.inspection.asked_priors import asked_priors

    table = asked_priors(spec, data)
    if out is not None:
        from twinbayes.report.figures.graph import described_graph

        described_graph(spec).save(out)
    if as_json:
        print_json({
            "disease": spec.name, "hash": spec.content_hash, "description": spec.describe(),
            "state_labels": spec.state_labels,
            "priors": table.to_dict(orient="records"), "picture": None if out is None else str(out),
        })  # fmt: skip
        return USABLE
    typer.echo(spec.describe())
    typer.echo(f"\nPriors that the model asks for, of {_made_up(data, cohort)}:")
    for row in _lines(table):
        typer.echo(row)
    if out is not None:
        typer.echo(f"Picture: {out}")
    return USABLE


def _spec(disease: str) -> ModelSpec:
    """A disease of patients."""
    import twinbayes as tb
    from twinbayes.model import ModelSpec

    spec: Any = tb.disease(disease)
    if not isinstance(spec, ModelSpec):
        raise OptionError(f"{disease!r} is a model of aggregate data, and no disease of patients.")
    if spec.reporting is not None:
        from twinbayes.report import require_scenarios_of

        require_scenarios_of(spec)
    return spec


def _data(spec: ModelSpec, cohort: str | None, adapter: str | None) -> Cohort:
    if cohort is not None or adapter is not None:
        return cohort_of(cohort or "-", adapter)
    from twinbayes.diseases.synthetic import synthetic_cohort

    return synthetic_cohort(spec)


def _counted(spec: ModelSpec) -> str:
    graph, curves = spec.graph, spec.trajectories
    parts = (
        (len(graph.states), "state"),
        (len(graph.transitions), "transition"),
        (len(graph.treatments), "treatment"),
        (len(spec.events.covariates), "covariate term"),
        (0 if curves is None else len(curves.markers), "marker"),
        (len(spec.associations), "association"),
    )
    said = (f"{n} {what}{'s' * (n > 1)}" for n, what in parts if n)
    return f"{spec.title}: {', '.join(said)}."


def _made_up(data: Cohort, cohort: str | None) -> str:
    return data.name if cohort is not None else "made-up patients in three subgroups"


def _lines(table: pd.DataFrame) -> list[str]:
    """One line a prior, and one each that has an entry of its own."""
    out = []
    for prior, rows in table.groupby("prior", sort=False):
        for entry, some in rows.groupby("entry", sort=False):
            first = some.iloc[0]
            of = f", one for all {len(some)}" if bool(first["shared"]) else ""
            name = str(entry if entry != prior else prior)
            out.append(f"  {name} ~ {first['distribution']}  ({first['origin']}{of})")
    return out
