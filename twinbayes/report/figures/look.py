"""How everything in a report looks: one colour a state, plain axes, words instead of codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator, NullFormatter, PercentFormatter

from twinbayes.arrays import Floats
from twinbayes.inference import Fit
from twinbayes.model.courses.labels import name_words, place_words
from twinbayes.names import DAYS_PER_YEAR, EFFECT, FOLLOWED_UNTIL, STATE, TRANSITION
from twinbayes.twin.answers.follow_up import is_beyond

if TYPE_CHECKING:
    from twinbayes.model import ModelSpec

# Okabe & Ito 2008: told apart by readers with any of the common kinds of colour blindness.
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
YELLOW: Final = "#F0E442"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
INK: Final = "#222222"
GREY: Final = "#767676"
PALE: Final = "#D9D9D9"
PAPER: Final = "#FFFFFF"

_ALIVE: Final = (SKY, GREEN, ORANGE, PURPLE, BLUE, YELLOW)
_DEAD: Final = ("#6B6B6B", "#9A9A9A", "#C8C8C8", "#4A4A4A")

RC: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.color": INK,
    "text.parse_math": False,  # names of subgroups are no formulae
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


def styled[**P, R](draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the report's style, whatever the user's own settings are."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context():
            mpl.rcdefaults()
            for key, value in RC.items():
                mpl.rcParams[key] = value
            return draw(*args, **kwargs)

    return wrapper


_PHASES: Final = {
    "here": "in this state",
    "here_early": "in this state, early",
    "here_late": "in this state, late",
    "earlier": "in an earlier state",
}


#: Columns of tables that name states, and ways from one to another.
_OF_STATES: Final = (STATE, "target")
_OF_WAYS: Final = (TRANSITION, "intensity", "feature")


@dataclass(frozen=True)
class StateLook:
    """Colour and words for each state of a model: all that people read of states is made here.

    Attributes
    ----------
    states
        All states, in the order of the model.
    dead
        The states that are deaths. They are drawn in greys, on top.
    labels
        State → the label that the disease gives it; a state without one is read by its name.
    """

    states: tuple[str, ...]
    dead: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls,
        states: Sequence[str],
        dead: Collection[str],
        labels: Mapping[str, str] | None = None,
    ) -> StateLook:
        """Return the look of these states."""
        return cls(tuple(states), tuple(s for s in states if s in dead), labels or {})

    @property
    def alive(self) -> tuple[str, ...]:
        """States in which a patient lives, in the order of the model."""
        return tuple(s for s in self.states if s not in self.dead)

    @property
    def stacked(self) -> tuple[str, ...]:
        """Order of stacked areas, from the bottom: the edge of the last alive is survival."""
        return self.alive + self.dead

    def colour(self, state: str) -> str:
        """Colour of a state: the same in every figure of a report."""
        if state in self.dead:
            return _DEAD[self.dead.index(state) % len(_DEAD)]
        return _ALIVE[self.alive.index(state) % len(_ALIVE)]

    def name(self, state: str) -> str:
        """What a state is called where it stands alone: ``remission``, ``death in remission``."""
        return self.labels.get(state, name_words(state))

    def place(self, state: str) -> str:
        """Where a patient is: ``in remission``, ``dead after relapse``."""
        return self.labels.get(state, place_words(state))

    def noun(self, state: str) -> str:
        """What a state is called after a word such as "after": ``remission``."""
        return self.name(state).removeprefix("in ")

    def way(self, label: str) -> str:
        """Say a way from one state to another: ``remission → death in remission``.

        Parameters
        ----------
        label
            Of a transition or a start, ``a->b`` or ``a->start:drug``, or of something on one.
        """
        if not self.labels:
            return words(label)
        one = "|".join(re.escape(s) for s in sorted(self.states, key=len, reverse=True))
        pattern = rf"(?<!\w)({one})->(?:({one})(?!\w)|(?=start:))"
        out, at = "", 0
        for found in re.finditer(pattern, label):
            source, target = found.groups()
            arrow = f"{self.name(source)} → {'' if target is None else self.name(target)}"
            out, at = f"{out}{_spelt(label[at : found.start()])}{arrow}", found.end()
        return f"{out}{_spelt(label[at:])}".strip()

    def effect(self, label: str) -> str:
        """Say a treatment effect: ``drug, late in this state, on remission → …``."""
        head, _, transition = label.partition(" on ")
        treatment, _, phase = head.partition(":")
        if not transition:
            return self.way(label)
        when = _PHASES.get(phase, words(phase))
        on = ":" if self.labels else ", on"  # a label may begin with "on" itself
        return f"{words(treatment)} {when}{on} {self.way(transition)}"

    def tabled(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table as people read it: states by their labels, where they have some."""
        if not self.labels:
            return table
        said = dict.fromkeys(_OF_STATES, self._cell) | dict.fromkeys(_OF_WAYS, self.way)
        said[EFFECT] = self.effect
        shown = {
            c: [say(v) if isinstance(v, str) else v for v in table[c]]
            for c, say in said.items()
            if c in table.columns
        }
        return table.assign(**shown)

    def _cell(self, state: str) -> str:
        return self.labels.get(state, state)


def look_of(fit: Fit) -> StateLook:
    """Return how the states of a fit look."""
    return look_of_model(fit.spec)


def look_of_model(spec: ModelSpec) -> StateLook:
    """Return how the states of a model look."""
    return StateLook.of(spec.graph.states, spec.graph.deaths, spec.state_labels)


def marks_of(fit: Fit) -> tuple[str, ...]:
    """Return the words that every picture of a fit carries."""
    found = []
    if not fit.verdict.usable:
        found.append("NOT FOR USE")
    if fit.cohort.simulated:
        found.append("SIMULATED DATA")
    return tuple(found)


def words(name: str) -> str:
    """Turn an identifier into words, such as that of a treatment: ``oral drug``.

    Of a state, or a way between states, a `StateLook` says it.
    """
    return _spelt(name).strip()


def _spelt(name: str) -> str:
    return name.replace("->", " → ").replace("_", " ").replace("start:", "start of ")


def sentence(name: str) -> str:
    """Return `words` with a capital, unless the name brings its own (``NPM1``)."""
    return capital(words(name))


def capital(text: str) -> str:
    """Return words with a capital at their beginning."""
    return text[:1].upper() + text[1:]


def interval_words(probability: float, kind: str) -> str:
    """Name an interval by probability and kind, as every interval must be."""
    return f"{probability:.0%} {kind.replace('_', ' ')} interval"


@dataclass(frozen=True)
class Clock:
    """Unit of a time axis, chosen from its length."""

    days: float
    unit: str

    @classmethod
    def covering(cls, last_day: float) -> Clock:
        """Months for up to eighteen of them, else years."""
        if last_day <= 1.5 * DAYS_PER_YEAR:
            return cls(DAYS_PER_YEAR / 12, "months")
        return cls(DAYS_PER_YEAR, "years")

    def __call__(self, days: npt.ArrayLike) -> Floats:
        """Convert days to this unit."""
        return np.asarray(days, dtype=np.float64) / self.days

    def step(self, last_day: float) -> float:
        """Distance of the ticks: 1, 2, 3, 5 … units, for about six of them."""
        length = last_day / self.days
        return next(s for s in (1, 2, 3, 5, 10, 20, 50, 100) if length / s <= 7)


def duration_words(days: float) -> str:
    """Say a length of time: ``5 years``, ``18 months``, ``90 days``."""
    years, months = days / DAYS_PER_YEAR, days * 12 / DAYS_PER_YEAR
    for value, unit in ((years, "year"), (months, "month")):
        if value >= 1 and abs(value - round(value)) < 0.005:
            return f"{round(value)} {unit}{'' if round(value) == 1 else 's'}"
    if years >= 2:
        return f"{years:.1f} years"
    return f"{days:.0f} day{'' if round(days) == 1 else 's'}"


def beyond_words(answer: xr.Dataset, day: float) -> str:
    """Return how a caption begins where a day lies beyond the follow-up, else nothing."""
    if not is_beyond(answer, day):
        return ""
    until = duration_words(float(answer.attrs[FOLLOWED_UNTIL]))
    return f"Beyond {until} nobody was followed: the rest is the model's alone. "


def time_axis(ax: Axes, clock: Clock, last_day: float, label: str) -> None:
    """Draw the time axis from 0 to `last_day` with whole units as ticks."""
    ax.set_xlim(0, float(clock(last_day)))
    ax.xaxis.set_major_locator(MultipleLocator(clock.step(last_day)))
    ax.set_xlabel(f"{label} ({clock.unit})")


def log_axis(ax: Axes) -> None:
    """Make the vertical axis logarithmic, its numbers written as plain text."""
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def percent_axis(ax: Axes, label: str) -> None:
    """Draw a probability axis from 0 to 100 %."""
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_locator(MultipleLocator(0.25))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylabel(label)


def spread_labels(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart so that none is nearer to the next than `gap`; order is kept."""
    order = np.argsort(positions, kind="stable")
    placed = np.clip(np.asarray(positions, dtype=np.float64)[order], low, high)
    for _ in range(200):
        overlap = gap - np.diff(placed)
        if not np.any(overlap > 1e-9):
            break
        push = np.maximum(overlap, 0.0) / 2
        placed[:-1] -= push
        placed[1:] += push
        placed = np.clip(placed, low, high)
    result = np.empty(len(placed))
    result[order] = placed
    return [float(value) for value in result]


def panels(
    n: int, columns: int, *, width: float, height: float, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a grid of `n` axes; places left over stay blank."""
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    axes = list(grid.ravel())
    for ax in axes[n:]:
        ax.set_visible(False)
    for k in range(n - columns, n):
        # With shared axes a panel above a blank place would lose its tick labels.
        axes[k].tick_params(labelbottom=True)
    return figure, axes[:n]
