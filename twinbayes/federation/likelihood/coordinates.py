"""The coordinates of a likelihood: all that a site's patients are judged by, as one vector.

A site's likelihood depends on baselines and on what acts on them, and on nothing above: hierarchy
and shrinkage are of nobody's data. These quantities, each on a scale without bounds, are the
coordinates in which sites answer and in which the server joins their answers. Each belongs to one
intensity, and likelihoods of different intensities have none in common; but what curves of markers
and a frailty have in common in all patients, which belongs to none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.federation.likelihood.scales import IDENTITY, Scale, scale_of
from twinbayes.model import Learnt, ModelSpec
from twinbayes.names import (
    ASSOCIATION_EFFECT,
    BETA,
    CENTRE_EFFECT,
    CHAIN,
    CURVE_CENTRE_EFFECT,
    CURVE_EFFECT,
    CURVE_SUBGROUP_EFFECT,
    DRAW,
    EFFECT,
    ENTRY_ERA,
    ENTRY_ERA_EFFECT,
    FRAILTY_EFFECT,
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    PATIENT_CORRELATION,
    PATIENT_SD,
    SUBGROUP_EFFECT,
    TIME_VARYING_EFFECT,
    TIME_VARYING_WINDOW,
    TRANSITION,
    TREATMENT_SUBGROUP_EFFECT,
)
from twinbayes.tensors import Tensor

OF_HAZARDS: Final = (
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    BETA,
    SUBGROUP_EFFECT,
    CENTRE_EFFECT,
    TREATMENT_SUBGROUP_EFFECT,
    ENTRY_ERA_EFFECT,
    TIME_VARYING_EFFECT,
)
"""Variables that hazards depend on, in their order among the coordinates."""

OF_CURVES: Final = (
    CURVE_EFFECT,
    CURVE_SUBGROUP_EFFECT,
    CURVE_CENTRE_EFFECT,
    PATIENT_SD,
    PATIENT_CORRELATION,
    ASSOCIATION_EFFECT,
)
"""Variables that curves of markers and what follows them depend on, before those of families."""


@dataclass(frozen=True)
class Block:
    """One variable among the coordinates.

    Attributes
    ----------
    name, dims
        Of the variable.
    labels
        Along each dim.
    intensity
        Which intensity each number belongs to, shaped as the variable; -1 to none.
    scale
        From the variable to its coordinates.
    """

    name: str
    dims: tuple[str, ...]
    labels: tuple[tuple[object, ...], ...]
    intensity: Ints
    scale: Scale = IDENTITY

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dims."""
        return tuple(len(x) for x in self.labels)

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """Which numbers of the variable its coordinates stand for."""
        return self.scale.places(self.shape)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.places)


@dataclass(frozen=True)
class Coordinates:
    """Coordinates of the likelihood of one model.

    Attributes
    ----------
    blocks
        Variables, in order.
    intensities
        Labels of the intensities.
    """

    blocks: tuple[Block, ...]
    intensities: tuple[str, ...]

    @classmethod
    def of(cls, spec: ModelSpec, learnt: Learnt, model: pm.Model) -> Coordinates:
        """Find the coordinates among the variables of a population model."""
        blocks, owners = [], _owners(spec, learnt)
        for name in (*OF_HAZARDS, *_integrated(spec)):
            if name in model.named_vars:
                dims = tuple(str(d) for d in model.named_vars_to_dims[name])
                labels = tuple(tuple(model.coords[d]) for d in dims)
                shape = tuple(len(x) for x in labels)
                along = np.array(-1)
                if name in OF_HAZARDS:
                    at = next(k for k, d in enumerate(dims) if d in owners)
                    sizes = [-1 if k == at else 1 for k in range(len(dims))]
                    along = owners[dims[at]].reshape(sizes)
                intensity = np.broadcast_to(along, shape)
                blocks.append(Block(name, dims, labels, intensity, scale_of(name)))
        return cls(tuple(blocks), spec.graph.labels)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return sum(b.size for b in self.blocks)

    @cached_property
    def places(self) -> dict[str, slice]:
        """Where each variable lies among the coordinates."""
        ends = np.cumsum([0, *(b.size for b in self.blocks)])
        return {b.name: slice(int(ends[k]), int(ends[k + 1])) for k, b in enumerate(self.blocks)}

    @cached_property
    def members(self) -> tuple[Ints, ...]:
        """Of each intensity, which coordinates belong to it."""
        owner = np.array([b.intensity[at] for b in self.blocks for at in b.places])
        return tuple(np.flatnonzero(owner == e) for e in range(len(self.intensities)))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for each coordinate: ``beta[age_years, diagnosis->dead]``."""
        out = []
        for block in self.blocks:
            for at in block.places:
                own = ", ".join(str(block.labels[d][k]) for d, k in enumerate(at))
                out.append(f"{block.name}[{own}]")
        return tuple(out)

    def block(self, name: str) -> Block:
        """Return the block of a variable."""
        return next(b for b in self.blocks if b.name == name)

    def by_column(self, name: str) -> Ints:
        """(intensity, column) places of a variable that has one number a column and intensity."""
        block = self.block(name)
        at = np.arange(block.size).reshape(block.shape) + self.places[name].start
        out: Ints = at if block.dims[0] == TRANSITION else at.T
        return out

    def table(self, name: str) -> Ints:
        """Places of a variable, shaped as it is."""
        block = self.block(name)
        out: Ints = np.arange(block.size).reshape(block.shape) + self.places[name].start
        return out

    def tensor(self, model: pm.Model) -> Tensor:
        """(coordinate,) of a population model."""
        parts = [b.scale.tensor(pt.as_tensor(model[b.name]), b.shape) for b in self.blocks]
        joined: Tensor = pt.concatenate(parts)
        return joined

    def values(self, posterior: xr.Dataset) -> Floats:
        """(draw, coordinate) of draws, all chains together."""
        parts = []
        for block in self.blocks:
            own = posterior[block.name].transpose(CHAIN, DRAW, *block.dims).to_numpy()
            parts.append(block.scale.inward(own.reshape(-1, *block.shape)))
        return np.concatenate(parts, axis=1)

    def dataset(self, values: Floats) -> xr.Dataset:
        """Draws (draw, coordinate) as a posterior of one chain."""
        variables: dict[str, Any] = {}
        coords: dict[str, Sequence[object]] = {}
        for block in self.blocks:
            own = block.scale.outward(values[:, self.places[block.name]], block.shape)
            variables[block.name] = ((CHAIN, DRAW, *block.dims), own[None])
            coords |= dict(zip(block.dims, map(list, block.labels), strict=True))
        return xr.Dataset(variables, coords)


def _owners(spec: ModelSpec, learnt: Learnt) -> dict[str, Ints]:
    """Along each dim that tells of intensities: which one each label is of."""
    graph = spec.graph
    known = list(graph.labels)
    varying = spec.events.varying(learnt.encoding, learnt.edges)
    return {
        TRANSITION: np.arange(len(known)),
        EFFECT: np.array([known.index(e.transition) for e in graph.effects], dtype=np.int64),
        ENTRY_ERA: np.array([known.index(e.intensity) for e in graph.entry_eras], dtype=np.int64),
        TIME_VARYING_WINDOW: np.array(
            [e.intensity for e in varying for _ in e.windows], dtype=np.int64
        ),
    }


def places_of_effects(coordinates: Coordinates, n_subgroups: int) -> Ints:
    """(effect that acts, subgroup) its coordinate."""
    parts = []
    for name in (TREATMENT_SUBGROUP_EFFECT, ENTRY_ERA_EFFECT, TIME_VARYING_EFFECT):
        if name in coordinates.places:
            block = coordinates.block(name)
            at = np.arange(block.size).reshape(block.shape) + coordinates.places[name].start
            parts.append(at if at.ndim == 2 else np.repeat(at[:, None], n_subgroups, axis=1))
    out: Ints = np.concatenate(parts)
    return out


def _integrated(spec: ModelSpec) -> tuple[str, ...]:
    """Variables of what is integrated out of each patient's likelihood."""
    markers = () if spec.trajectories is None else spec.trajectories.markers
    of_families = [p.variable(m.marker) for m in markers for p in m.family.parameters]
    return (*OF_CURVES, *dict.fromkeys(of_families), FRAILTY_EFFECT)
