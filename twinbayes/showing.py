"""How values show themselves where they are the last line of a cell: one line, or one table.

No field is shown that could name patients: of arrays, tables and long sequences the size alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from html import escape
from importlib import import_module
from itertools import islice
from typing import Any, Final

from twinbayes.names import PLOTS

LONGEST: Final = 300
"""Characters of the longest line by which a public object is shown."""

_LONGEST_FIELD: Final = 60
_GOOD: Final = "#1b7837"
_BAD: Final = "#b2182b"
_ROWS: Final = 60  # of a table, before the rest is counted
#: Fields whose values name patients.
_WHO: Final = frozenset({"patient", "patients", "patient_id", "patient_ids"})


def plotted(name: str, *args: Any, **options: Any) -> Any:
    """Draw by a function of `twinbayes.plots`, which is imported when it is first asked for.

    Plots are built on everything; so that nothing imports what is built on it, values find them by
    name.
    """
    return getattr(import_module(PLOTS), name)(*args, **options)


def cut(text: str, longest: int) -> str:
    """Return a text on one line, its end left out where it is longer than that."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def brief[T: type](cls: T) -> T:
    """Class decorator: show a dataclass by one short line, and by a table of its fields.

    The line is how it would be made, where that is short enough and nothing in it is an array or
    a table; else fields are shortened, and those at their defaults left out.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @brief
    ... @dataclass(frozen=True)
    ... class Visit:
    ...     marker: str
    ...     values: tuple[float, ...]
    >>> Visit("load", tuple(range(9)))
    Visit(marker='load', values=<9 entries>)
    """
    ways = {"__repr__": _line, "_repr_html_": _fields_table}
    for name, way in ways.items():
        if name == "__repr__" or not hasattr(cls, name):
            setattr(cls, name, way)
    return cls


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    written: Callable[[object], str] = str,
) -> str:
    """Return an HTML table, escaped, that programs that read aloud can follow.

    The first cell of each row heads it. Rows beyond 60 are counted, not shown.
    """
    every = iter(rows)
    shown = [_row(row, written) for row in islice(every, _ROWS)]
    rest = sum(1 for _ in every)
    more = f" ({rest} more rows)" if rest else ""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    return (
        f"<table><caption>{escape(caption + more)}</caption>"
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(shown)}</tbody></table>"
    )


def judged(good: bool, head: str, *more: str) -> str:
    """Return a verdict as HTML paragraphs, escaped, the first in its colour."""
    first = f'<p style="color:{_GOOD if good else _BAD};font-weight:bold">{escape(head)}</p>'
    return first + "".join(f"<p>{escape(part)}</p>" for part in more if part)


def facts(caption: str, pairs: Mapping[str, object]) -> str:
    """Return an HTML table of names and what they are, escaped."""
    return table(caption, ("", "value"), pairs.items())


def frame_table(caption: str, frame: Any, *, index: bool = True) -> str:
    """Return a data frame as an HTML table, numbers with four digits."""
    names = [str(name or "") for name in frame.index.names] if index else []
    head = [*names, *map(str, frame.columns)]
    rows = frame.reset_index() if index else frame
    return table(caption, head, rows.itertuples(index=False), written=_written)


def _row(row: Sequence[object], written: Callable[[object], str]) -> str:
    first, *others = (escape(written(cell)) for cell in row)
    cells = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'


def _written(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _line(self: Any) -> str:
    shown = [f for f in fields(self) if f.repr]
    name = type(self).__name__
    whole = ", ".join(f"{f.name}={_value(f.name, getattr(self, f.name))}" for f in shown)
    if len(name) + len(whole) + 2 <= LONGEST:
        return f"{name}({whole})"
    told = [f for f in shown if not _is_default(f, getattr(self, f.name))]
    short = ", ".join(
        f"{f.name}={cut(_value(f.name, getattr(self, f.name)), _LONGEST_FIELD)}" for f in told
    )
    return f"{name}({cut(short, LONGEST - len(name) - 2)})"


def _fields_table(self: Any) -> str:
    return facts(
        type(self).__name__,
        {f.name: _value(f.name, getattr(self, f.name)) for f in fields(self) if f.repr},
    )


def _is_default(field: Field[Any], value: object) -> bool:
    given = field.default_factory() if field.default_factory is not MISSING else field.default
    return (
        type(value) is type(given)
        and isinstance(value, str | int | float | tuple | None)
        and (value == given)
    )


def _value(name: str, value: Any) -> str:
    """What is told of one field."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"<{' x '.join(map(str, shape))} {type(value).__name__}>"
    if isinstance(value, list | tuple | set | frozenset | Mapping):
        if name in _WHO or len(value) > 4 or any(getattr(v, "shape", None) for v in _parts(value)):
            return f"<{len(value)} {'entry' if len(value) == 1 else 'entries'}>"
        if any(is_dataclass(v) for v in _parts(value)) and len(repr(value)) > _LONGEST_FIELD:
            return f"<{len(value)} {type(next(iter(_parts(value)))).__name__}>"
        return repr(value)
    if name in _WHO and isinstance(value, str):
        return "<one patient>"
    return repr(value)


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else list(value)
