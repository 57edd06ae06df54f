"""The command line of the prior library: list, show, check, elicit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from twinbayes.cli.answers import (
    EXIT_CODES,
    NOT_FOR_USE,
    USABLE,
    AsJson,
    print_json,
    reports_errors,
)
from twinbayes.errors import OptionError
from twinbayes.private_files import require_writable, write_private

if TYPE_CHECKING:
    from twinbayes.priors import Expert, PriorEntry

_QUANTILES: Final = ("q2.5", "q05", "q25", "q50", "q75", "q95", "q97.5")

priors = typer.Typer(
    help="The prior library: what there is, what it rests on, whether it holds, and new entries.",
    epilog=f"Example:  twinbayes priors list. {EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

NameOrFile = Annotated[
    str, typer.Argument(help="A set of the library, as aml, or a YAML file of your own.")
]


@priors.command("list", epilog="Example:  twinbayes priors list aml")
@reports_errors
def list_priors(
    name: Annotated[
        str | None, typer.Argument(help="One set or file with its entries; default: all sets.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List the sets of the library, or the entries of one, with versions and statuses."""
    from twinbayes.priors import STATUSES, library_names, load_priors
    from twinbayes.priors.files.library import purpose_of

    if name is not None:
        chosen = load_priors(name)
        rows = [
            {"name": e.name, "version": e.version, "status": e.status, "distribution": e.text()}
            for e in chosen.values()
        ]
        if as_json:
            print_json({"set": chosen.label, "hash": chosen.content_hash, "entries": rows})
            return USABLE
        typer.echo(f"{chosen.label}: {len(rows)} entries")
        _print_table([list(row.values()) for row in rows])
        return USABLE
    sets = [load_priors(known) for known in library_names()]
    counts = [
        {status: sum(e.status == status for e in chosen.values()) for status in STATUSES}
        for chosen in sets
    ]
    if as_json:
        print_json({"sets": [
            {"set": chosen.label, "hash": chosen.content_hash, "entries": len(chosen),
             "statuses": count, "purpose": purpose_of(chosen.name)}
            for chosen, count in zip(sets, counts, strict=True)
        ]})  # fmt: skip
        return USABLE
    _print_table([
        [chosen.label, f"{len(chosen)} entries",
         ", ".join(f"{n} {status}" for status, n in count.items() if n),
         purpose_of(chosen.name)]
        for chosen, count in zip(sets, counts, strict=True)
    ])  # fmt: skip
    return USABLE


@priors.command("show", epilog="Example:  twinbayes priors show aml covariate_scale.gene")
@reports_errors
def show(
    name: NameOrFile,
    entry: Annotated[str, typer.Argument(help="Name of the entry; the most specific one counts.")],
    as_json: AsJson = False,
) -> int:
    """Show one prior: every field, its quantiles, and the hash of its distribution."""
    from twinbayes.priors import derive, load_priors

    chosen = load_priors(name)
    stem, _, qualifier = entry.partition(".")
    found = chosen.get_entry(stem, qualifier or None)
    quantiles = dict(derive(found.density, quantiles=_QUANTILES).quantiles)
    if as_json:
        print_json({"set": chosen.label, **found.to_dict(), "formula": found.text(),
                    "shown_quantiles": quantiles, "hash": found.distribution_hash})  # fmt: skip
        return USABLE
    record = found.to_dict()
    typer.echo(f"{chosen.label}:{record.pop('name')} ~ {found.text()}")
    typer.echo("quantiles: " + ", ".join(f"{k} {v:.4g}" for k, v in quantiles.items()))
    typer.echo(f"hash: {found.distribution_hash}")
    typer.echo(_yaml(record))
    return USABLE


@priors.command("check", epilog="Example:  twinbayes priors check my_priors.yaml")
@reports_errors
def check(
    name: Annotated[
        str | None, typer.Argument(help="A set of the library or a YAML file; default: all sets.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check schema, rules, derived numbers, elicitation and version lock: all faults at once."""
    from twinbayes.priors import check_priors, library_names

    found = [check_priors(one) for one in (library_names() if name is None else [name])]
    passed = all(one.passed for one in found)
    if as_json:
        print_json({"passed": passed, "files": [
            {"file": one.file, "set": one.label, "entries": dict(one.statuses),
             "faults": list(one.faults), "notes": list(one.notes)}
            for one in found
        ]})  # fmt: skip
        return USABLE if passed else NOT_FOR_USE
    for one in found:
        said = f"{len(one.faults)} faults" if one.faults else "nothing is wrong"
        typer.echo(f"{one.file}: {len(one.statuses)} entries read, {said}")
        for fault in one.faults:
            typer.echo(f"- {fault}")
        for note in one.notes:
            typer.echo(f"  Note: {note}")
    return USABLE if passed else NOT_FOR_USE


@priors.command(
    "elicit",
    epilog="Example:  twinbayes priors elicit --name response_rate --family Beta --interval "
    "0.2,0.6,0.9 --parameter 'probability of response' --scale probability --population "
    "'adults with a relapse' --protocol 'interview, 12 May, minutes in the study file'",
)
@reports_errors
def elicit(
    name: Annotated[str, typer.Option(help="Name of the entry.")],
    family: Annotated[
        str,
        typer.Option(
            help="Normal, HalfNormal, Laplace, LogNormal, Gamma, InverseGamma, Exponential or Beta."
        ),
    ],
    parameter: Annotated[str, typer.Option(help="What the number is.")],
    scale: Annotated[str, typer.Option(help="The scale it lives on.")],
    population: Annotated[str, typer.Option(help="For whom it is meant.")],
    protocol: Annotated[str, typer.Option(help="How experts were asked, and where that is kept.")],
    interval: Annotated[
        list[str] | None, typer.Option(help="LOWER,UPPER,MASS of one expert; may be repeated.")
    ] = None,
    quantiles: Annotated[
        list[str] | None,
        typer.Option(help="PROBABILITY=VALUE,... of one expert; may be repeated."),
    ] = None,
    chips: Annotated[
        list[str] | None, typer.Option(help="CHIPS,... of one expert, one a bin; repeatable.")
    ] = None,
    bins: Annotated[str | None, typer.Option(help="EDGE,EDGE,... of the bins of chips.")] = None,
    expert: Annotated[
        list[str] | None, typer.Option(help="Role of each expert, in the order of the statements.")
    ] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="Weight of each expert; default: all the same.")
    ] = None,
    pooling: Annotated[str, typer.Option("--pool", help="linear or logarithmic.")] = "linear",
    unit: Annotated[str, typer.Option(help="Unit in UCUM.")] = "1",
    rationale: Annotated[str, typer.Option(help="Why this distribution.")] = "",
    out: Annotated[Path | None, typer.Option(help="File for the entry; default: print it.")] = None,
    as_json: AsJson = False,
) -> int:
    """Turn what experts say into an entry, ready to be put below `entries:` of a prior file."""
    if out is not None:
        require_writable(out)

    from twinbayes.priors.elicitation.entry import elicited_entry

    method, statements = _statements(interval, quantiles, chips, bins)
    made = elicited_entry(
        name, family, method, _experts(statements, expert or [], weight or []),
        pooling=pooling, protocol=protocol, parameter=parameter, scale=scale, unit=unit,
        population=population, rationale=rationale,
    )  # fmt: skip
    return _tell(made, out, as_json)


def _tell(made: PriorEntry, out: Path | None, as_json: bool) -> int:
    record = made.to_dict()
    text = _yaml({record.pop("name"): record})
    if out is not None:
        write_private(out, text, "\n")
    if as_json:
        print_json({"entry": made.to_dict(), "formula": made.text(),
                    "file": None if out is None else str(out)})  # fmt: skip
    else:
        typer.echo(text if out is None else f"{made.text()}\nEntry: {out}")
    return USABLE


def _statements(
    interval: list[str] | None,
    quantiles: list[str] | None,
    chips: list[str] | None,
    bins: str | None,
) -> tuple[str, list[tuple[list[float], list[float]]]]:
    """Return the method, and (values, probabilities) of every expert."""
    given = {"--interval": interval, "--quantiles": quantiles, "--chips": chips}
    used = [key for key, value in given.items() if value]
    if len(used) != 1:
        raise OptionError(
            f"Give one of --interval, --quantiles or --chips, for all experts the same; "
            f"found {', '.join(used) or 'none'}."
        )
    if (bins is None) == bool(chips):
        raise OptionError("--chips and --bins need each other.")
    if interval:
        rows = [_numbers(text, "--interval", 3) for text in interval]
        return "interval", [(row[:2], row[2:]) for row in rows]
    if chips:
        edges = _numbers(str(bins), "--bins")
        return "roulette", [(edges, _numbers(text, "--chips")) for text in chips]
    pairs = [[_pair(part) for part in text.split(",")] for text in quantiles or []]
    return "quantiles", [([v for _, v in row], [p for p, _ in row]) for row in pairs]


def _experts(
    statements: Sequence[tuple[list[float], list[float]]],
    roles: Sequence[str],
    weights: Sequence[float],
) -> list[Expert]:
    from twinbayes.priors import Expert

    for option, found in (("--expert", roles), ("--weight", weights)):
        if found and len(found) != len(statements):
            raise OptionError(
                f"{option} is given {len(found)} times for {len(statements)} statements. "
                "Give it once a statement, or not at all."
            )
    roles = roles or [f"expert {i}" for i in range(1, len(statements) + 1)]
    weights = weights or [1.0] * len(statements)
    return [
        Expert(role=role, values=tuple(v), probabilities=tuple(p), weight=w)
        for role, (v, p), w in zip(roles, statements, weights, strict=True)
    ]


def _numbers(text: str, option: str, count: int | None = None) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or (count is not None and len(found) != count):
        wanted = f"{count} numbers" if count else "numbers"
        raise OptionError(f"{option} {text!r}: write {wanted} with commas between them.")
    return found


def _pair(text: str) -> tuple[float, float]:
    probability, sign, value = text.partition("=")
    try:
        return float(probability), float(value)
    except ValueError:
        raise OptionError(
            f"--quantiles {text!r}{'' if sign else ' (no sign =)'}: write PROBABILITY=VALUE, as "
            "0.5=0.3."
        ) from None


def _yaml(record: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes everything out: prior files may hold no aliases."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(record, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=96)
    return text.rstrip()


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[-1]]).rstrip())
