"""Parameters that families have beside curves, as variables of the model and of its posterior.

A number is one variable over the markers whose families have it; a vector, such as the distances
between the cuts of grades, is a variable of its own in each marker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pymc as pm
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError, PriorError
from twinbayes.model.curves.families.parameter import FamilyParameter
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.names import SAMPLE
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


def parameter_coords(markers: Sequence[MarkerScale]) -> dict[str, tuple[str, ...]]:
    """Markers along the dim of each parameter that is a number."""
    return {p.dim: tuple(m.marker for m in some) for p, some in _shared(markers)}


def sample_parameters(
    markers: Sequence[MarkerScale], priors: PriorSet
) -> dict[str, tuple[Tensor, ...]]:
    """Add the parameters of all families to the current model.

    Returns
    -------
    dict
        By marker, in the order of its family's `parameters`, on the sampling scale.

    Raises
    ------
    PriorError
        The prior set has no entry for a parameter.
    ModelError
        Two families mean different parameters by one name.
    """
    found: dict[tuple[str, str], Tensor] = {}
    for p, some in _shared(markers):
        names = [m.marker for m in some]
        for name in names:
            _require_prior(p.name, name, priors, f"{p.name}.{name}")
        sampled = f"_{p.name}" if p.is_scaled else p.name
        value = priors.make(sampled, p.name, dims=(p.dim,), qualifiers=names)
        if p.is_scaled:
            scale = np.array([m.scale for m in some])
            pm.Deterministic(p.name, value * scale, dims=p.dim)
        found |= {(name, p.name): value[k] for k, name in enumerate(names)}
    for m in markers:
        for p in m.family.parameters:
            if p.labels:
                _require_prior(p.name, m.marker, priors)
                dim = p.dim_of(m.marker)
                pm.modelcontext(None).add_coord(dim, p.labels)
                found[m.marker, p.name] = priors.make(p.variable(m.marker), p.name, dims=(dim,))
    return {m.marker: tuple(found[m.marker, p.name] for p in m.family.parameters) for m in markers}


def sampled_parameters(stacked: xr.Dataset, markers: Sequence[MarkerScale]) -> Floats:
    """(marker, number, draw) posterior of the parameters on the sampling scale, as twins read it.

    Families with fewer numbers than others end in zeros.
    """
    units = [m.parameter_units() for m in markers]
    width = max([1, *(len(own) for own in units)])
    out = np.zeros((len(markers), width, stacked.sizes[SAMPLE]))
    for k, m in enumerate(markers):
        rows = [p.lay_out(_posterior(stacked, m, p)) for p in m.family.parameters]
        if rows:
            out[k, : len(units[k])] = np.concatenate(rows) / units[k][:, None]
    return out


def _posterior(stacked: xr.Dataset, m: MarkerScale, p: FamilyParameter) -> Floats:
    """(label, draw) posterior of a parameter of one marker; one row of a number."""
    own, dim = stacked[p.variable(m.marker)], p.dim_of(m.marker)
    rows = own if p.labels else own.sel({dim: [m.marker]})
    out: Floats = rows.transpose(dim, SAMPLE).to_numpy()
    return out


def _shared(
    markers: Sequence[MarkerScale],
) -> Iterable[tuple[FamilyParameter, list[MarkerScale]]]:
    """Parameters that are numbers, by name, with the markers whose families have them."""
    known: dict[str, FamilyParameter] = {}
    having: dict[str, list[MarkerScale]] = {}
    for m in markers:
        for p in m.family.parameters:
            if known.setdefault(p.name, p) != p and not p.labels:
                raise ModelError(
                    f"Marker {m.marker!r}: the {m.family.kind} family declares the parameter "
                    f"{p.name!r} otherwise than another marker's does. Give it another name."
                )
            if not p.labels:
                having.setdefault(p.name, []).append(m)
    return [(known[name], having[name]) for name in sorted(having)]


def _require_prior(name: str, marker: str, priors: PriorSet, qualified: str = "") -> None:
    """Refuse a parameter of a marker's family without a prior."""
    if name not in priors and qualified not in priors:
        raise PriorError(
            f"Marker {marker!r}: its family has the parameter {name!r}, and the prior set "
            f"{priors.label} no entry of this name. Add one: to its file, or as "
            f"PriorSet(name, version, {{**priors.entries, {name!r}: PriorEntry(...)}})."
        )
