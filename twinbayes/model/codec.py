"""Descriptions to plain data and back, for the known description types only."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, Final

from twinbayes.errors import ModelError

_KIND: Final = "kind_of"
#: Metadata of a field that is not stored while it has its default: descriptions that do not use
#: it keep the hash they had before it was there.
UNSET_IS_ABSENT: Final = {"unset_is_absent": True}


def _known_types() -> dict[str, type[Any]]:
    """The closed list of types that may be stored; a file can name no other."""
    from twinbayes.model import spec
    from twinbayes.model.aggregate import spec as aggregate
    from twinbayes.model.courses import graph
    from twinbayes.model.covariates import columns
    from twinbayes.model.curves import association, trajectory
    from twinbayes.model.curves import basis as time_basis
    from twinbayes.model.curves import turns as time_path
    from twinbayes.model.curves import waves as time_process
    from twinbayes.model.curves.families import table as families
    from twinbayes.model.curves.means import own as mean_own
    from twinbayes.model.curves.means import shapes as mean_shapes
    from twinbayes.model.events import baseline, time_varying
    from twinbayes.model.events import process as event_process
    from twinbayes.model.pooling import power as pooling_power
    from twinbayes.model.pooling import table as poolings

    types = (
        spec.ModelSpec,
        aggregate.AggregateSpec,
        event_process.EventProcess,
        graph.StateGraph,
        graph.Transition,
        graph.TreatmentStart,
        graph.Treatment,
        graph.Effect,
        time_varying.TimeVarying,
        *baseline.BASELINES.values(),
        *poolings.POOLINGS.values(),
        pooling_power.LatentExchangeability,
        columns.Term,
        columns.Group,
        columns.Interaction,
        trajectory.Trajectories,
        trajectory.Trajectory,
        association.Association,
        *time_basis.BASES,
        time_process.HSGP,
        *mean_shapes.MEANS,
        mean_own.OwnMean,
        time_path.Since,
        *families.FAMILIES,
    )
    return {t.__name__: t for t in types}


def encode(value: object) -> Any:
    """Turn a description into dicts, lists and scalars."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            _KIND: type(value).__name__,
            **{
                f.name: encode(getattr(value, f.name))
                for f in fields(value)
                if not (f.metadata == UNSET_IS_ABSENT and getattr(value, f.name) == f.default)
            },
        }
    if isinstance(value, tuple):
        return [encode(v) for v in value]
    return value


def decode(data: Any) -> Any:
    """Undo `encode`.

    Raises
    ------
    ModelError
        The data name a type that is not a description of this package.
    """
    if isinstance(data, list):
        return tuple(decode(v) for v in data)
    if isinstance(data, dict):
        known = _known_types()
        kind = data.get(_KIND)
        if kind not in known:
            raise ModelError(
                f"Stored model names the unknown type {kind!r}. "
                "It was written by another version, or altered."
            )
        return known[kind](**{k: decode(v) for k, v in data.items() if k != _KIND})
    return data
