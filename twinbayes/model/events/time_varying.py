"""Effects that change with time: hazard ratios that walk from window to window of a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.covariates.design import DesignMatrix, Encoding
from twinbayes.model.events.rows import RowTable
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.names import SUBGROUP, TIME_VARYING, TIME_VARYING_EFFECT, TIME_VARYING_WINDOW
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class TimeVarying:
    """Hazards of one intensity that are not proportional between groups.

    Each window of the intensity's baseline has a log hazard ratio of its own. They walk from
    window to window and average zero over the windows: the effect of the covariate, or the level
    of the subgroup, carries the mean. How far a step goes is learnt, prior ``time_varying_step``.

    Parameters
    ----------
    of
        A 0/1 covariate of the hazards, known for every patient; or ``"subgroup"``, where each
        subgroup has a walk of its own and these sum to zero in each window.
    on
        Label of the intensity.
    classes
        Of subgroups: classes that are known to run alike. The subgroups of a class share a walk,
        and those in none have the baseline as it is. A subgroup that is named here and that the
        fit has not seen has the walk of its class.

    Examples
    --------
    >>> TimeVarying(of="arm", on="alive->dead").on
    'alive->dead'
    """

    of: str
    on: str
    classes: tuple[tuple[str, ...], ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        named = [subgroup for some in self.classes for subgroup in some]
        if self.classes and self.of != SUBGROUP:
            raise ModelError(
                f"The effect of {self.label} has classes, and classes are of subgroups. Leave "
                f"them out, or give of={SUBGROUP!r}."
            )
        if not all(self.classes) or len(set(named)) < len(named):
            raise ModelError(
                f"The effect of {self.label} has a class without subgroups, or a subgroup in two "
                "classes. Give each class its own."
            )

    @property
    def label(self) -> str:
        """``of on intensity``, the coordinate along the dim of time-varying effects."""
        return f"{self.of} on {self.on}"

    @property
    def text(self) -> str:
        """One line for people."""
        shared = "; ".join(", ".join(some) for some in self.classes)
        return f"{self.label}  (classes that share it: {shared})" if shared else self.label


@dataclass(frozen=True)
class VaryingEffect:
    """One time-varying effect as data have it.

    Attributes
    ----------
    label, intensity
        Of the effect, and the index of the intensity it acts on.
    column
        Column of the design, None for subgroups.
    first, edges
        Its first row among all windows of all such effects, and the edges of its windows, in days.
    members
        (class, subgroup) 1 where a subgroup is of a class; None where each has a walk of its own.
    peers
        Subgroups that are named in a class and that the data do not have, each with the index of
        one of the class that they have.
    """

    label: str
    intensity: int
    column: int | None
    first: int
    edges: Floats
    members: Floats | None = None
    peers: tuple[tuple[str, int], ...] = ()

    @property
    def rows(self) -> slice:
        """Its rows among the windows of all time-varying effects."""
        return slice(self.first, self.first + len(self.edges) - 1)

    @property
    def windows(self) -> tuple[str, ...]:
        """Coordinate along its windows."""
        return tuple(
            f"{self.label}, day {low:g} to {high:g}"
            for low, high in zip(self.edges[:-1], self.edges[1:], strict=True)
        )

    def constants(self, subgroups: Sequence[str]) -> tuple[str, ...]:
        """Entries of ``time_varying_effect`` that are 0 by construction: of no class."""
        if self.members is None:
            return ()
        without = np.flatnonzero(self.members.sum(axis=0) == 0.0).tolist()
        return tuple(
            f"time_varying_effect[{window}, {subgroups[g]}]"
            for window in self.windows
            for g in without
        )

    @property
    def walk(self) -> Floats:
        """(window, step) what each step adds to each window; columns sum to zero."""
        n = len(self.edges) - 1
        up = np.tri(n, n - 1, -1)
        out: Floats = up - up.mean(axis=0)
        return out

    def carried(self, design: DesignMatrix) -> Floats:
        """(patient,) 1 where the effect acts: in all, in subgroups of a class, or in carriers.

        Raises
        ------
        ModelError
            The covariate is missing in some patients.
        """
        if self.column is None and self.members is None:
            return np.ones(design.n_patients)
        if self.members is not None:
            of_class = self.members.sum(axis=0)[design.subgroup]
            named = np.isin(design.subgroup_label, [label for label, _ in self.peers])
            return np.where(design.subgroup >= 0, of_class, named.astype(float))
        unknown = int((design.variances[:, self.column] > 0.0).sum())
        if unknown:
            raise ModelError(
                f"The effect of {self.label} changes with time, and the covariate is missing in "
                f"{unknown} patient(s). Complete it, leave these patients out, or let the effect "
                "be constant."
            )
        stored: Floats = design.values[:, self.column] + design.shift[self.column]
        return stored


def laid_out(
    asked: Sequence[TimeVarying],
    graph: StateGraph,
    encoding: Encoding,
    edges: tuple[Floats, ...],
) -> tuple[VaryingEffect, ...]:
    """Find columns and windows of time-varying effects.

    Raises
    ------
    ModelError
        The covariate of an effect is not one 0/1 column, or there are no two subgroups; nobody is
        of a class; or the baseline has one window only.
    """
    out: list[VaryingEffect] = []
    first = 0
    for effect in asked:
        if effect.of == SUBGROUP and len(encoding.subgroups) < 2:
            raise ModelError(
                f"The effect of {effect.label} compares subgroups, and there is one. Leave it out."
            )
        k = graph.labels.index(effect.on)
        if len(edges[k]) < 3:
            raise ModelError(
                f"The effect of {effect.label} cannot change with time: the baseline has one "
                "window. Give it more, or let the effect be constant."
            )
        column = None if effect.of == SUBGROUP else _column_of(effect.of, encoding)
        members = _members(effect, encoding.subgroups) if effect.classes else None
        peers = _peers(effect, encoding.subgroups)
        out.append(VaryingEffect(effect.label, k, column, first, edges[k], members, peers))
        first += len(edges[k]) - 1
    return tuple(out)


def _column_of(name: str, encoding: Encoding) -> int:
    found = [k for k, c in enumerate(encoding.columns) if c.sources == (name,)]
    if len(found) != 1 or not encoding.columns[found[0]].is_binary:
        zero_one = [c.sources[0] for c in encoding.columns if c.is_binary and len(c.sources) == 1]
        raise ModelError(
            f"A time-varying effect of {name!r} needs one 0/1 covariate of the hazards, or "
            f"{SUBGROUP!r}. There are: {', '.join(zero_one) or 'none'}."
        )
    return found[0]


def _members(effect: TimeVarying, subgroups: Sequence[str]) -> Floats:
    """(class, subgroup) 1 where a subgroup is of a class."""
    for some in effect.classes:
        if not set(some) & set(subgroups):
            raise ModelError(
                f"The effect of {effect.label} has the class {', '.join(map(repr, some))}, and no "
                f"patient is of it. The cohort's subgroups: {', '.join(map(repr, subgroups))}. "
                "Name those of the class as the cohort does, or leave the effect out."
            )
    return np.array([[float(x in some) for x in subgroups] for some in effect.classes])


def _peers(effect: TimeVarying, subgroups: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Pair subgroups that are named and absent with one of their class that is there."""
    out = []
    for some in effect.classes:
        there = [subgroups.index(x) for x in some if x in subgroups]
        out += [(x, there[0]) for x in some if x not in subgroups]
    return tuple(out)


def cut_rows(
    rows: RowTable,
    effects: Sequence[VaryingEffect],
    graph: StateGraph,
    design: DesignMatrix,
    patient: Ints | None = None,
) -> RowTable:
    """Cut rows at risk at window edges and let the window's effect act on each piece.

    Parameters
    ----------
    patient
        Patient of each course, where rows are those of courses.
    """
    first = len(graph.effects) + len(graph.entry_eras)
    for effect in effects:
        carried = effect.carried(design) > 0.0
        of_row = rows.patient if patient is None else patient[rows.patient]
        rows = _cut(rows, (rows.intensity == effect.intensity) & carried[of_row], effect, first)
    return rows


def _cut(rows: RowTable, mine: NDArray[np.bool_], effect: VaryingEffect, first: int) -> RowTable:
    """Cut the rows marked in `mine`; windows are open on the left, as those of baselines."""
    inner = effect.edges[1:-1]
    low = np.searchsorted(inner, rows.start, side="right")
    high = np.maximum(np.searchsorted(inner, rows.stop, side="left"), low)
    pieces = np.where(mine, high - low + 1, 1)
    source = np.repeat(np.arange(len(pieces)), pieces)
    nth = np.arange(len(source)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    window = low[source] + nth
    is_first, is_last = nth == 0, nth == pieces[source] - 1
    before = inner[np.clip(window - 1, 0, len(inner) - 1)]
    after = inner[np.clip(window, 0, len(inner) - 1)]
    effects = tuple(
        (*rows.effects[s], first + effect.first + w) if mine[s] else rows.effects[s]
        for s, w in zip(source, window.tolist(), strict=True)
    )
    return replace(
        rows,
        patient=rows.patient[source],
        intensity=rows.intensity[source],
        start=np.where(is_first, rows.start[source], before),
        stop=np.where(is_last, rows.stop[source], after),
        is_event=rows.is_event[source] & is_last,
        clock_start=rows.clock_start[source],
        effects=effects,
    )


def build_walks(
    effects: Sequence[VaryingEffect], subgroups: Sequence[str], priors: PriorSet
) -> Tensor:
    """(window of any effect, subgroup) log hazard ratios, added to the current PyMC model."""
    if not effects:
        return pt.zeros((0, len(subgroups)))
    step = priors.make(
        "time_varying_step",
        "time_varying_step",
        dims=(TIME_VARYING,),
        qualifiers=[e.label for e in effects],
    )
    model, parts = pm.modelcontext(None), []
    for n, effect in enumerate(effects):
        dim, name = f"{TIME_VARYING}_{n}_step", f"{TIME_VARYING}_{n}_offset"
        model.add_coord(dim, range(1, len(effect.edges) - 1))
        if effect.members is not None:
            own = f"{TIME_VARYING}_{n}_class"
            model.add_coord(own, range(1, len(effect.members) + 1))
            offset = pm.Normal(name, 0.0, 1.0, dims=(dim, own)) @ effect.members
        elif effect.column is None:
            offset = pm.ZeroSumNormal(name, sigma=1.0, dims=(dim, SUBGROUP), n_zerosum_axes=1)
        else:
            offset = pm.Normal(name, 0.0, 1.0, dims=(dim,))[:, None]
        walked = pt.as_tensor(effect.walk) @ (step[n] * offset)
        parts.append(walked + pt.zeros((1, len(subgroups))))
    walks: Tensor = pm.Deterministic(
        TIME_VARYING_EFFECT, pt.concatenate(parts), dims=(TIME_VARYING_WINDOW, SUBGROUP)
    )
    return walks
