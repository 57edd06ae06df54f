"""How every command answers: exit codes, one message an error, and clean JSON."""

from __future__ import annotations

import functools
import json
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from twinbayes.errors import CohortError, PriorError, TwinbayesError

USABLE: Final = 0
CRASHED: Final = 1  # what Python itself ends with, also where no command of ours is reached
BAD_INPUT: Final = 2  # what the parser of options ends with
NOT_FOR_USE: Final = 3
INTERRUPTED: Final = 130
TERMINATED: Final = 143

EXIT_CODES: Final = (
    "Exit codes: 0 usable, 2 bad input, 3 not for use (or a check failed); 1 a fault of the "
    "program, which says nothing of the fit; 130 interrupted, 143 terminated."
)

_PACKAGE: Final = Path(__file__).resolve().parents[1]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def reports_errors[**P](command: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's result into the exit code, and every error into one message."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            with _cleaning_up_when_terminated():
                code = command(*args, **kwargs)
        except (TwinbayesError, OSError) as error:
            _tell_error(type(error).__name__, str(error), as_json, faults=_faults(error))
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            _tell_error("Interrupted", "Nothing was written.", as_json)
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            _tell_error("InternalError", _fault_of_ours(error), as_json)
            raise typer.Exit(CRASHED) from None
        raise typer.Exit(code)

    return wrapper


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object; what JSON does not know becomes text."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False, default=str))


@contextmanager
def _cleaning_up_when_terminated() -> Iterator[None]:
    """Let SIGTERM unwind the command, so that temporary files go, instead of ending it there."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_error(kind: str, message: str, as_json: bool, *, faults: list[Any] | None = None) -> None:
    if as_json:
        print_json({"error": kind, "message": message, "faults": faults or []})
    typer.echo(f"{kind}: {message}", err=True)


def _fault_of_ours(error: Exception) -> str:
    """Where an error came up, without its own words, which could quote a patient's record."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [
        f"{Path(f.filename).relative_to(_PACKAGE.parent)}:{f.lineno} in {f.name}"
        for f in frames
        if Path(f.filename).is_relative_to(_PACKAGE)
    ]
    way = "".join(f"\n  {place}" for place in places[1:])  # the first is this wrapper
    return (
        f"{type(error).__name__}: a fault of twinbayes, not of your input. Please report it with "
        f"these lines; its own words are left out, as they may quote a record.{way}"
    )


def _faults(error: Exception) -> list[Any]:
    if isinstance(error, PriorError):
        return list(error.faults)
    if not isinstance(error, CohortError) or error.faults is None:
        return []
    faults: list[dict[str, Any]] = json.loads(error.faults.to_json(orient="records"))
    return faults
