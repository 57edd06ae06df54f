"""Which PyMC models can be fitted, and their fits stored and read again: told before sampling.

Models of this package have names and labels of their own; those of users can have any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pymc as pm
from pytensor.compile.maker import function
from pytensor.gradient import DisconnectedInputError, grad

from twinbayes.documents import is_writable
from twinbayes.errors import ModelError
from twinbayes.inference.samplers.tree import is_hidden, kept_names
from twinbayes.names import CHAIN, DRAW

_NUMBERS: Final = ("bool", "int64", "uint64", "float32", "float64")
_TEXT: Final = "text"
_NUMBER: Final = "number"
_DATES: Final = "dates"
_SPANS: Final = "spans of time"


def require_plain_model(model: pm.Model) -> None:
    """Refuse a PyMC model whose names, dims or labels no sampler or no file can take.

    Raises
    ------
    ModelError
        Naming the variable or the dim, the rule and the remedy.
    """
    dims = {name: _dims(model, name) for name in kept_names(model)}
    _require_names(model, dims)
    for dim, labels in model.coords.items():
        if labels is not None:
            kind = _kind_of_labels(labels, dim)
            if kind == _DATES and any(dim in of for of in dims.values()):
                raise ModelError(
                    f"coords of {dim!r}: dates, which no stored fit could be read with. Write them "
                    "as text: [str(day) for day in days]."
                )
    _require_sizes(model, dims)


@contextmanager
def disconnected_is_refused(model: pm.Model) -> Iterator[None]:
    """Turn the error of a gradient that does not exist into ours, with the variables to blame.

    Raises
    ------
    ModelError
        The log density does not depend on some of the variables.
    """
    try:
        yield
    except DisconnectedInputError as error:
        names = [name for rv in model.free_RVs if _is_loose(model, rv) for name in (str(rv.name),)]
        raise ModelError(
            f"The log density does not depend on {_listed(names)}: there is nothing to sample "
            "it by. Give it a proper prior, such as pm.Normal, or data that depend on it."
        ) from error


def _is_loose(model: pm.Model, rv: Any) -> bool:
    try:
        grad(model.logp(), model.rvs_to_values[rv])
    except DisconnectedInputError:
        return True
    return False


def _dims(model: pm.Model, name: str) -> tuple[str, ...]:
    """Dims of a variable as a fit has them: those without a name are called after it."""
    given = model.named_vars_to_dims.get(name) or ()
    given = (*given, *(None,) * (model[name].ndim - len(given)))
    return tuple(f"{name}_dim_{k}" if dim is None else str(dim) for k, dim in enumerate(given))


def _require_names(model: pm.Model, dims: dict[str, tuple[str, ...]]) -> None:
    every = {dim for of in dims.values() for dim in of}
    for name in (*map(str, model.named_vars), *map(str, model.coords), *every):
        if name in ("", ".") or "/" in name or not _is_plain(name):
            raise ModelError(
                f"The name {_shown(name)} of a variable or dim cannot be stored: it is empty or a "
                "dot, or holds a slash, a zero byte or half of a surrogate pair. Rename it."
            )
    for name, of in dims.items():
        if name in (CHAIN, DRAW):
            raise ModelError(f"A variable is called {name!r}, as a dim of every fit. Rename it.")
        if name in every:
            raise ModelError(f"A variable and a dim are both called {name!r}. Rename one of them.")
        if len(set(of)) < len(of):
            raise ModelError(
                f"{name}: has a dim twice, {_listed(of)}. Give the same labels under a second name."
            )
    if all(map(is_hidden, dims)):
        raise ModelError(
            "The names of all variables start with an underscore, so that a fit would show none. "
            "Rename one."
        )


def _kind_of_labels(labels: Sequence[Any], dim: str) -> str:
    """What the labels of a dim are; refuse what samplers cannot take."""
    if all(isinstance(label, str) for label in labels):
        if all(map(_is_plain, labels)):
            return _TEXT
        raise ModelError(
            f"coords of {dim!r}: a label holds a zero byte or half of a surrogate pair, which no "
            "file can hold. Correct it."
        )
    if all(isinstance(label, datetime | np.datetime64) for label in labels):
        return _DATES
    if all(isinstance(label, timedelta | np.timedelta64) for label in labels):
        return _SPANS
    try:
        values = np.asarray(list(labels))
    except (ValueError, OverflowError):  # lists of unequal length, numbers without end
        values = np.empty(0, dtype=object)
    same = len({isinstance(label, bool | np.bool_) for label in labels}) == 1
    if values.ndim != 1 or not same or str(values.dtype) not in _NUMBERS:
        kinds = sorted({type(label).__name__ for label in labels})
        raise ModelError(
            f"coords of {dim!r}: labels must be all text, or all numbers of 64 bits, not "
            f"{_listed(kinds)}. Write them as text: [str(label) for label in labels]."
        )
    return _NUMBER


def _require_sizes(model: pm.Model, dims: dict[str, tuple[str, ...]]) -> None:
    """Refuse variables without any entry: an array of none is stored as no file of ours may be."""
    known = {name: model[name].type.shape for name in dims}
    unknown = [name for name, shape in known.items() if None in shape and 0 not in shape]
    if unknown:
        known |= dict(zip(unknown, _shapes(model, unknown), strict=True))
    empty = [name for name, shape in known.items() if 0 in shape]
    if empty:
        raise ModelError(
            f"{_listed(empty)}: there is no entry, as a dim has the length 0. Leave it out of the "
            "model, or give the dim labels."
        )


def _shapes(model: pm.Model, names: Sequence[str]) -> list[tuple[int, ...]]:
    """Shapes of variables at the initial point, where the graph does not tell them."""
    wanted = model.replace_rvs_by_values([model[name].shape for name in names])
    inputs = model.value_vars
    find = function(inputs, wanted, mode="FAST_COMPILE", on_unused_input="ignore")
    start = model.initial_point()
    return [tuple(map(int, shape)) for shape in find(*(start[v.name] for v in inputs))]


def _is_plain(text: str) -> bool:
    return is_writable(text) and "\0" not in text


def _shown(name: str) -> str:
    return repr(name[:40]).encode("ascii", "backslashreplace").decode("ascii")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
