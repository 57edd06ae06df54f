"""Random walks of log hazards, sampled by what events tell of them.

A curve that acts on a hazard moves it at all times: levels of hazards are sampled together with
what curves have at events, so that the data tell of their sum whatever the associations are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.model.pooling.centring import turned
from twinbayes.model.pooling.jointly import InTurn
from twinbayes.model.pooling.walks import AlongAxes, RatesTold
from twinbayes.priors import PriorSet
from twinbayes.priors.prior_tags import note_prior
from twinbayes.tensors import Tensor

_LEVEL: Final = "baseline_level"
_TREND: Final = "baseline_trend"
_LOCATED: Final = ("Normal", "StudentT")  # distributions that can be moved


@dataclass(frozen=True)
class Beside:
    """What log hazards have beside their baselines at events, on average and roughly.

    Attributes
    ----------
    at_events
        Mean over all events, (transition,).
    rise
        By how much it is more in the last window than in the first, (transition,).
    centre
        Where the mean of the events lies among windows: -0.5, the first; 0.5, the last.
    """

    at_events: Tensor
    rise: Tensor
    centre: Floats

    def take(self, rows: Sequence[int]) -> Beside:
        """Return those of some transitions."""
        index = list(rows)
        return Beside(self.at_events[index], self.rise[index], self.centre[index])

    def along(self, line: Floats) -> Tensor:
        """(transition, step) values on a line of windows from -0.5 to 0.5."""
        away = line - self.centre[:, None]
        out: Tensor = self.at_events[:, None] + self.rise[:, None] * away
        return out


def bending_walk(
    name: str,
    dims: tuple[str, str],
    labels: Sequence[str],
    told: RatesTold,
    priors: PriorSet,
    beside: Beside | None,
) -> Tensor:
    """Second-order Gaussian random walk: a line, and bends that are orthogonal to every line.

    The mean and the line's rise from end to end have priors of their own; second differences are
    normal with the standard deviation `baseline_roughness`.
    """
    roughness = priors.make(
        f"{name}_roughness", "baseline_roughness", dims=dims[:1], qualifiers=labels
    )
    bend_dim, steps = f"{dims[1]}_bend", told.steps
    pm.modelcontext(None).add_coord(bend_dim, np.arange(1, steps - 1))
    line = np.linspace(-0.5, 0.5, steps)
    # Bends from the broadest to the narrowest: the data speak of the first, the prior of the last.
    _, size, shapes = np.linalg.svd(np.diff(np.eye(steps), 2, axis=0), full_matrices=False)
    bends = (shapes * np.sign(shapes[:, :1]) / size[:, None])[::-1]
    axes, along = told.beside(np.stack([np.ones(steps), line]), bends).along_axes(np.eye(steps - 2))
    bend = along.deviations(f"{name}_bend", roughness[:, None], (dims[0], bend_dim))
    bent = turned(axes, bend) @ pt.as_tensor(bends)
    others = bent if beside is None else bent + beside.along(line)
    level, trend = _line(name, dims[0], labels, told, priors, others)
    walk: Tensor = pm.Deterministic(name, level[:, None] + trend[:, None] * line + bent, dims=dims)
    return walk


def _line(
    name: str,
    dim: str,
    labels: Sequence[str],
    told: RatesTold,
    priors: PriorSet,
    others: Tensor,
) -> tuple[Tensor, Tensor]:
    """Level and rise of each walk, told by events together, beside `others` (row, step)."""
    names = {f"{name}_level": _LEVEL, f"{name}_trend": _TREND}
    entries = [priors.get_entry(prior, x) for prior in names.values() for x in labels]
    if any(e.mixture or e.distribution != "Normal" for e in entries):
        level, trend = (
            priors.make(own, prior, dims=(dim,), qualifiers=labels) for own, prior in names.items()
        )
        return level, trend
    mean, sd = (
        np.stack([priors.arguments(prior, labels)[key] for prior in names.values()], axis=1)
        for key in ("mu", "sigma")
    )
    shapes = np.stack([np.ones(told.steps), np.linspace(-0.5, 0.5, told.steps)])
    known = shapes @ told.information @ shapes.T * sd[:, :, None] * sd[:, None, :]
    rest = others + pt.as_tensor(mean @ shapes)
    misfit = told.score - (pt.as_tensor(told.information) * rest[:, None, :]).sum(axis=2)
    score = (misfit @ shapes.T) * sd
    turns = InTurn.of(
        [[known[:, 0, 0]], [known[:, 1, 0], known[:, 1, 1]]], [score[:, 0], score[:, 1]]
    )
    own: list[Tensor] = []
    made: list[Tensor] = []
    for k, (of, prior) in enumerate(names.items()):
        own.append(turns.draw(f"_{of}_offset", k, own, dim))
        value = pm.Deterministic(of, mean[:, k] + sd[:, k] * own[k], dims=dim)
        note_prior(value, prior, priors.distribution(prior, labels))
        made.append(value)
    return made[0], made[1]


def random_walk(
    name: str,
    dims: tuple[str, str],
    labels: Sequence[str],
    told: RatesTold,
    priors: PriorSet,
    centred: bool | None,
    beside: Beside | None,
) -> Tensor:
    """Gaussian random walk along dims[1]; its first value has the prior of the level."""
    if told.steps == 1:
        return priors.make(name, _LEVEL, dims=dims, qualifiers=labels, axis=0)
    roughness = priors.make(
        f"{name}_roughness", "baseline_roughness", dims=dims[:1], qualifiers=labels
    )
    first = priors.distribution(_LEVEL, labels)
    moved = None if beside is None else _moved(beside.at_events, labels, priors)
    walk: Tensor = pm.GaussianRandomWalk(
        name if moved is None else f"_{name}_with_curves",
        sigma=roughness,
        init_dist=first if moved is None else moved,
        steps=told.steps - 1,
        dims=dims,
        default_transform=AlongAxes(*told.along_axes(), centred),
    )
    if beside is not None and moved is not None:
        walk = pm.Deterministic(name, walk - beside.at_events[:, None], dims=dims)
    note_prior(walk, _LEVEL, first, lambda values: values[..., 0])
    return walk


def _moved(by: Tensor, labels: Sequence[str], priors: PriorSet) -> Any:
    """Distribution of levels that are moved; None where it has no name."""
    entries = [priors.get_entry(_LEVEL, label) for label in labels]
    if any(e.mixture or e.distribution not in _LOCATED for e in entries):
        return None
    known = priors.arguments(_LEVEL, labels)
    return getattr(pm, entries[0].distribution).dist(**{**known, "mu": known["mu"] + by})
