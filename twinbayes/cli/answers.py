"""How every command answers: exit codes, one message an error, and clean JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from twinbayes.errors import CohortError, PriorError, TwinbayesError

USABLE: Final = 0
NOT_FOR_USE: Final = 1
BAD_INPUT: Final = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def reports_errors[**P](command: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's result into the exit code, and our own errors into one message."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except (TwinbayesError, OSError) as error:
            if kwargs.get("as_json"):
                print_json({"error": type(error).__name__, "message": str(error),
                            "faults": _faults(error)})  # fmt: skip
            typer.echo(f"{type(error).__name__}: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        raise typer.Exit(code)

    return wrapper


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object; what JSON does not know becomes text."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False, default=str))


def _faults(error: Exception) -> list[Any]:
    if isinstance(error, PriorError):
        return list(error.faults)
    if not isinstance(error, CohortError) or error.faults is None:
        return []
    faults: list[dict[str, Any]] = json.loads(error.faults.to_json(orient="records"))
    return faults
