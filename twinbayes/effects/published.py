"""What of an effect may leave the centre: its numbers of patients without small cells."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import xarray as xr

from twinbayes.cohort.quality.suppression import (
    HIDDEN,
    SMALLEST_CELL,
    SUPPRESSED,
    part_words,
    size_words,
)
from twinbayes.names import PATIENT

_COUNTS: Final = (
    "n_patients", "n_comparable", "n_treated", "n_untreated", "events_treated", "events_untreated",
)  # fmt: skip
#: Numbers from which the two counts behind them could be worked out.
_TELLING: Final = ("share_treated", "effective_number", "effective_events")
_EVENTS: Final = "effective_events"
_OF_PATIENTS: Final = re.compile(r"(?P<some>\d+) of (?P<whole>\d+) patient\(s\)")


def count_words(effect: xr.Dataset) -> dict[str, list[str]]:
    """Numbers of patients and events by subgroup as tables and pictures may show them.

    Parameters
    ----------
    effect
        As `treatment_effect` returns it, or `publishable_effect`.

    Returns
    -------
    dict
        Name of the count → one text a subgroup: the number, ``<5`` or ``hidden``.
    """
    sizes = effect["n_patients"].values
    return {name: part_words(effect[name].values, sizes) for name in _COUNTS if name in effect}


def publishable_effect(effect: xr.Dataset) -> xr.Dataset:
    """Return an effect without patients, and without counts from 1 to 4 or a way back to them.

    What is hidden is NaN, also the share treated and the effective number where they rest on it.

    Examples
    --------
    >>> import xarray as xr
    >>> counts = {"n_patients": ("subgroup", [30, 9, 20]), "n_treated": ("subgroup", [12, 3, 8])}
    >>> effect = xr.Dataset(counts, attrs={"left_out": ""})
    >>> publishable_effect(effect)["n_treated"].values
    array([12., nan, nan])
    """
    out = effect.drop_dims(PATIENT, errors="ignore")
    few = {name: np.isin(texts, (SUPPRESSED, HIDDEN)) for name, texts in count_words(out).items()}
    for name, hidden in few.items():
        out[name] = out[name].astype(float).where(~hidden)
    events = [few[name] for name in ("events_treated", "events_untreated") if name in few]
    if events and _EVENTS in out:
        out[_EVENTS] = out[_EVENTS].where(~np.any(events, axis=0))
    sides = [few[name] for name in ("n_treated", "n_untreated") if name in few]
    for name in _TELLING if sides else ():
        if name in out:
            out[name] = out[name].where(~np.any(sides, axis=0))
    return out.assign_attrs(_attributes(out))


def _attributes(effect: xr.Dataset) -> dict[str, object]:
    """Attributes that count patients, as they may be shown."""
    found: dict[str, object] = {"left_out": left_out_words(str(effect.attrs["left_out"]))}
    if (n := effect.attrs.get("patients")) is not None:
        found["patients"] = n if size_words(float(n)) != SUPPRESSED else SUPPRESSED
    if (warning := effect.attrs.get("warning")) is not None:
        found["warning"] = _OF_PATIENTS.sub(_few_of, str(warning))
    return found


def _few_of(counted: re.Match[str]) -> str:
    """``3 of 40 patient(s)`` as it may be shown: neither part of the whole told if it is small."""
    some, whole = float(counted["some"]), float(counted["whole"])
    shown = size_words(whole)
    if 0 < whole - some < SMALLEST_CELL or 0 < some < SMALLEST_CELL:
        return f"some of {shown} patient(s)"
    return f"{some:.0f} of {shown} patient(s)"


def left_out_words(text: str) -> str:
    """The attribute ``left_out`` of an effect, small counts hidden."""
    parts = [part.split(" ", 1) for part in text.split("; ")]
    return "; ".join(
        f"{size_words(float(n))} {rest[0]}" if n.isdigit() and rest else " ".join([n, *rest])
        for n, *rest in parts
    )
