"""Forecasts as people of 100, rounded once, so that every format shows the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from twinbayes.names import DAYS_PER_YEAR, PATIENT, STATE, STATE_PROBABILITY, SURVIVAL, TIME
from twinbayes.report.figures.contrast import people_in_states
from twinbayes.report.figures.look import StateLook
from twinbayes.serve.drawing import Curve
from twinbayes.serve.explorer import LONGEST_WAIT

BLUE: Final = "#1f5c99"
ORANGE: Final = "#b35900"


@dataclass(frozen=True)
class OfHundred:
    """A share as people of 100: the mean, and the ends of its interval."""

    n: int
    low: int
    high: int

    @classmethod
    def of(cls, answer: xr.Dataset, name: str) -> OfHundred:
        """From a variable of one number, and its bounds."""
        n, low, high = (float(answer[f"{name}{s}"]) for s in ("", "_lower", "_upper"))
        return cls(round(100 * n), round(100 * low), round(100 * high))


def at(answer: xr.Dataset, day: float) -> xr.Dataset:
    """An answer of one patient at a day of its grid."""
    return answer.isel({PATIENT: 0}).sel({TIME: day}, method="nearest")


def alive(answer: xr.Dataset, day: float) -> OfHundred:
    """Those alive at a day."""
    return OfHundred.of(at(answer, day), SURVIVAL)


def states(answer: xr.Dataset, day: float, look: StateLook) -> dict[str, OfHundred]:
    """Those in each state at a day; the living add up to those alive, and all to 100."""
    one = at(answer, day)
    names = [str(s) for s in one[STATE].to_numpy()]
    mean, lower, upper = (
        dict(zip(names, one[f"{STATE_PROBABILITY}{s}"].to_numpy().tolist(), strict=True))
        for s in ("", "_lower", "_upper")
    )
    shares = {s: mean[s] for s in look.states}
    counts = people_in_states(shares, look, OfHundred.of(one, SURVIVAL).n)
    return {
        s: OfHundred(
            counts[s],
            min(counts[s], round(100 * lower[s])),
            max(counts[s], round(100 * upper[s])),
        )
        for s in look.states
    }


def longest_wait(answer: xr.Dataset) -> int:
    """Days from the landmark within which a treatment may start: of those that are forecast."""
    return int(min(LONGEST_WAIT, float(answer[TIME].to_numpy()[-1])))


def years(answer: xr.Dataset) -> np.ndarray:
    """(time,) since the landmark."""
    return np.asarray(answer[TIME].to_numpy() / DAYS_PER_YEAR)


def curve_of(answer: xr.Dataset, colour: str, dash: str = "") -> Curve:
    """Survival of one patient as a curve with its band."""
    mean, lower, upper = (answer[f"{SURVIVAL}{s}"].to_numpy()[0] for s in ("", "_lower", "_upper"))
    return Curve(mean, lower, upper, colour, dash)
