"""One error family. Each member also inherits the builtin it specialises.

A message names the place, the rule and the remedy, and never a patient identifier.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pandas import DataFrame

SEEDS: Final = 2**64
"""Seeds are below this number."""


class TwinbayesError(Exception):
    """Base of every error raised on purpose by this package."""


class CohortError(TwinbayesError, ValueError):
    """The tables break a rule of the data contract.

    Attributes
    ----------
    faults
        Every fault found while reading, one a row: ``table``, ``row`` (the header is row 1),
        ``column``, ``rule``, ``problem``, ``remedy``; None if the error is not about tables.
    """

    def __init__(self, message: str, faults: DataFrame | None = None) -> None:
        super().__init__(message)
        self.faults = faults


class PriorError(TwinbayesError, ValueError):
    """A prior is unknown, malformed or not allowed.

    Attributes
    ----------
    faults
        Every fault of a record, each with its place; empty where there is only the message.
    """

    def __init__(self, message: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class ModelError(TwinbayesError, ValueError):
    """A model specification contradicts itself or the cohort."""


class OptionError(TwinbayesError, ValueError):
    """An option has a value that is not among the known ones."""


class FitError(TwinbayesError, RuntimeError):
    """Sampling could not start or did not finish."""


class FederationError(TwinbayesError, ValueError):
    """A message, a party or a step of a federation is not what was agreed on."""


class SignatureError(TwinbayesError, ValueError):
    """A key cannot be used."""


class ReleaseError(TwinbayesError, ValueError):
    """A fit may not be used, or not go on to the state that was asked for."""


class CompilationWarning(TwinbayesError, UserWarning):  # noqa: N818 - an error where asked for
    """A model is compiled, which takes minutes, where most are recorded in a second."""


class TransportWarning(TwinbayesError, UserWarning):  # noqa: N818 - an error where asked for
    """A fit is moved to a place of which next to nothing is known."""


class StorageError(TwinbayesError, OSError):
    """A saved file is missing, truncated or altered."""


class TwinError(TwinbayesError, ValueError):
    """A forecast was asked for that the data or the model cannot give."""


class ScenarioError(TwinError):
    """A scenario uses unknown treatments or information from before the landmark."""


class ReportError(TwinbayesError, RuntimeError):
    """A report could not be made: a package is missing, or a template failed."""


class NotUsableError(TwinbayesError, RuntimeError):
    """A result was demanded from a fit whose verdict is not "usable"."""


def reason(error: Exception) -> str:
    """Return what may be published of an error, and log the rest of one that is not ours.

    Messages of this package never name a patient. Those of others may, so that only their type is
    told; they are logged, with their place, under ``twinbayes``.
    """
    if isinstance(error, TwinbayesError):
        return str(error)
    logging.getLogger("twinbayes").warning("%s", error, exc_info=error)
    return f"{type(error).__name__}. See the log for its place."


def require_known(value: str, known: Iterable[str], what: str) -> str:
    """Return `value` if it is among `known`; otherwise raise an OptionError that lists them."""
    options = tuple(known)
    # By type first: an array compared with a text is no truth value.
    if not any(isinstance(value, type(option)) and value == option for option in options):
        raise OptionError(f"Unknown {what} {value!r}. Known: {', '.join(map(repr, options))}.")
    return value


def is_number(value: object) -> bool:
    """Whether something is a number: neither text nor True or False; NaN is one."""
    return isinstance(value, Real) and not isinstance(value, bool)


def require_level(level: float, what: str = "level") -> float:
    """Return a probability above 0 and below 1 as a float; otherwise raise an OptionError."""
    found: object = level  # what arrives may be anything
    if not is_number(found) or not 0.0 < level < 1.0:
        raise OptionError(f"{what} {str(found)[:30]!r} is not a probability between 0 and 1.")
    return float(level)


def told(value: object) -> str:
    """What a message may repeat of a value that makes no sense: numbers, or the type alone.

    Whatever else a user gives, such as text or a mapping, may hold a patient's identifier.
    """
    if value is None or isinstance(value, bool):
        return str(value)
    some = value if isinstance(value, list | tuple) and value else (value,)
    return repr(value)[:30] if all(map(is_number, some)) else f"a {type(value).__name__}"


def require_seed(seed: int, what: str = "seed") -> int:
    """Return a seed that every generator takes, as an int; otherwise raise an OptionError."""
    found: object = seed  # what arrives may be anything
    whole = isinstance(found, Integral) and not isinstance(found, bool)
    if not whole or not 0 <= int(seed) < SEEDS:
        raise OptionError(
            f"{what} must be a whole number from 0 to 2**64 - 1, not {str(seed)[:30]!r}."
        )
    return int(seed)
