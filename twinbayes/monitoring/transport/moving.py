"""A fit moved to another place: its draws weighted, and its hazards raised to what was learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.inference import SharedFit
from twinbayes.inference.files.provenance import bars_of, of_moved
from twinbayes.inference.gate.verdict import ESS_MIN, judge
from twinbayes.monitoring.transport.learning import Taught
from twinbayes.names import (
    BETA,
    CENTRE_EFFECT,
    CENTRE_SCALE,
    CHAIN,
    DRAW,
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    POSTERIOR,
    SAMPLE_STATS,
    SUBGROUP_EFFECT,
    SUBGROUP_SCALE,
    TRANSITION,
    TRANSPORT,
    TRANSPORT_LEVEL,
    TRANSPORT_SHAPE,
    TRANSPORT_SLOPE,
    WINDOW,
)
from twinbayes.twin.weighting.importance import importance_weights, largest_shape

_OF_CENTRES: Final = (CENTRE_EFFECT, CENTRE_SCALE, "centre_offset", "centre_sharing")
_STEERED: Final = (BETA, SUBGROUP_EFFECT, SUBGROUP_SCALE)
_SPREADS: Final = ("covariate_scale", "covariate_sharing", "subgroup_offset", "subgroup_sharing")


@dataclass(frozen=True)
class Reweighted:
    """Draws of a fit weighted by what they say of a new place.

    Attributes
    ----------
    index
        (draw,) which draw of the fit each draw of the moved fit is.
    pareto_k
        Shape of the tail of the weights; NaN where all draws count the same, or too few are there.
    ess
        Effective number of draws.
    """

    index: Ints
    pareto_k: float
    ess: float

    @classmethod
    def of(cls, log_evidence: Floats) -> Reweighted:
        """Smooth weights, and resample without chance."""
        n = len(log_evidence)
        found = importance_weights(log_evidence)
        if found is None:
            return cls(np.arange(n), float("nan"), float(n))
        return cls(found.index, found.pareto_k, found.ess)

    def reasons(self) -> tuple[str, ...]:
        """What speaks against the use of the moved draws."""
        n = len(self.index)
        out = []
        if not self.is_even and not self.pareto_k <= largest_shape(n):  # nor may it be unknown
            out.append(
                "the new records weigh draws with too heavy a tail (Pareto k "
                f"{self.pareto_k:.2f}, above {largest_shape(n):.2f}): refit with them included"
            )
        if self.ess < ESS_MIN:
            out.append(
                f"the new records leave {self.ess:.0f} effective draws of {n}, fewer than "
                f"{ESS_MIN:g}: sample the fit longer, or refit with them included"
            )
        return tuple(out)

    @property
    def is_even(self) -> bool:
        """Whether every draw counts the same."""
        return bool(np.array_equal(self.index, np.arange(len(self.index))))


def moved(
    shared: SharedFit,
    weights: Reweighted,
    learnt: Taught,
    parts: tuple[Ints, ...],
    steered: np.ndarray,
    centres: tuple[str, ...] | None,
    told: Mapping[str, Any],
) -> SharedFit:
    """Put the moved fit together, and judge it.

    Parameters
    ----------
    shared
        The fit, without patients.
    weights, learnt
        Which draws, and what was learnt under each.
    parts
        By transition, (window,) stretch of time of each window of its baseline.
    steered
        (transition,) whether a slope multiplies log hazard ratios.
    centres
        Labels of the new place; None where all known centres have moved.
    told
        What the manifest is to say of the move.
    """
    groups = {
        name: _resampled(shared.datatree[name].to_dataset(), weights.index)
        for name in (POSTERIOR, SAMPLE_STATS)
        if name in shared.datatree
    }
    groups[POSTERIOR] = _raised(groups[POSTERIOR], learnt, parts, steered)
    described = shared.learnt
    if centres is not None:
        groups[POSTERIOR] = groups[POSTERIOR].drop_vars(_OF_CENTRES, errors="ignore")
        described = replace(described, encoding=replace(described.encoding, centres=centres))
    groups[POSTERIOR] = _used(groups[POSTERIOR])
    tree = xr.DataTree.from_dict(groups)
    manifest = {**shared.manifest, TRANSPORT: dict(told)}
    judged = judge(tree, constants=shared.spec.constants(described), **bars_of(manifest))
    before = shared.verdict
    verdict = of_moved(
        judged, (*weights.reasons(), *map(_of_parent, before.reasons)), before.summary
    )
    manifest["verdict"] = {
        "usable": verdict.usable,
        "reasons": list(verdict.reasons),
        "summary": {k: v if np.isfinite(v) else None for k, v in verdict.summary.items()},
    }
    return replace(shared, datatree=tree, verdict=verdict, manifest=manifest, learnt=described)


def _of_parent(reason: str) -> str:
    return reason if reason.startswith(_PARENT) else _PARENT + reason


_PARENT: Final = "the fit that was moved: "


def _used(group: xr.Dataset) -> xr.Dataset:
    """The group without labels of dims that no variable has."""
    dims = {d for v in group.data_vars.values() for d in v.dims}
    return group.drop_vars([name for name in group.coords if name not in dims])


def _resampled(group: xr.Dataset, index: Ints) -> xr.Dataset:
    """The draws that are named, in the chains and draws that there were."""
    out = {}
    for name, variable in group.data_vars.items():
        turned = variable.transpose(CHAIN, DRAW, ...)
        values = turned.to_numpy()
        flat = values.reshape(-1, *values.shape[2:])[index]
        out[name] = turned.copy(data=flat.reshape(values.shape))
    return group.assign(out)


def _raised(
    posterior: xr.Dataset, learnt: Taught, parts: tuple[Ints, ...], steered: np.ndarray
) -> xr.Dataset:
    """Baselines at the new level, log hazard ratios at the new slope; and what was learnt."""
    sizes = posterior.sizes[CHAIN], posterior.sizes[DRAW]
    kept = [
        name
        for name in posterior.data_vars
        if not str(name).startswith(LOG_BASELINE) or name in (LOG_BASELINE, LOG_BASELINE_AT_EVENT)
    ]
    out = posterior[kept]
    labels = {d: posterior[d] for d in (CHAIN, DRAW, TRANSITION)}
    level = xr.DataArray(
        learnt.level.reshape(*sizes, -1), dims=(CHAIN, DRAW, TRANSITION), coords=labels
    )
    new: dict[str, xr.DataArray] = {TRANSPORT_LEVEL: level}
    rise = level
    if learnt.shape is not None:
        by_window = np.zeros((*learnt.level.shape, posterior.sizes[WINDOW]))
        for e, part in enumerate(parts):
            by_window[:, e, : len(part)] = learnt.shape[:, e][:, part]
        shape = xr.DataArray(
            by_window.reshape(*sizes, *by_window.shape[1:]),
            dims=(CHAIN, DRAW, TRANSITION, WINDOW),
            coords={**labels, WINDOW: posterior[WINDOW]},
        )
        new[TRANSPORT_SHAPE] = shape
        rise = level + shape
    for name in (LOG_BASELINE, LOG_BASELINE_AT_EVENT):
        if name in out:
            new[name] = (out[name] + rise).transpose(*out[name].dims)
    if learnt.slope is not None:
        slope = xr.DataArray(
            learnt.slope.reshape(sizes),
            dims=(CHAIN, DRAW),
            coords={d: labels[d] for d in (CHAIN, DRAW)},
        )
        new[TRANSPORT_SLOPE] = slope
        by = (slope - 1.0) * xr.DataArray(steered.astype(float), dims=TRANSITION) + 1.0
        out = out.drop_vars(_SPREADS, errors="ignore")
        for name in _STEERED:
            if name in out:
                new[name] = (out[name] * by).transpose(*out[name].dims)
    return out.assign(new)
