"""The types that stored models may name: those of the package, and those that are registered.

A file can name no other. One's own poolings, baseline hazards, families of markers and mean
functions are added with `register`, before they are fitted and before a stored fit is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final, cast

from twinbayes.errors import ModelError
from twinbayes.model.baseline import BASELINES, Baseline
from twinbayes.model.courses.graph import Effect, StateGraph, Treatment
from twinbayes.model.courses.intensities import Transition, TreatmentStart
from twinbayes.model.courses.labels import StateLabel
from twinbayes.model.courses.reporting import Reporting, Utility
from twinbayes.model.covariates.terms import Group, Interaction, Term
from twinbayes.model.curves.association import Association
from twinbayes.model.curves.basis import BASES
from twinbayes.model.curves.families.protocol import MarkerFamily
from twinbayes.model.curves.families.table import FAMILIES
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.means.own import OwnMean
from twinbayes.model.curves.means.shapes import MEANS
from twinbayes.model.curves.trajectory import Trajectories, Trajectory
from twinbayes.model.curves.turns import Since
from twinbayes.model.curves.waves import HSGP
from twinbayes.model.events.process import EventProcess
from twinbayes.model.events.time_varying import TimeVarying
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import FOR_AGGREGATES, POOLINGS, add_pooling
from twinbayes.model.storing.codec import KIND
from twinbayes.model.storing.registration import OWN_TYPES
from twinbayes.priors.files.extended import OwnPriors

COMPONENTS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {
        component.__name__: component
        for component in (
            EventProcess,
            StateGraph,
            Transition,
            TreatmentStart,
            Treatment,
            Effect,
            TimeVarying,
            *BASELINES.values(),
            *POOLINGS.values(),
            *FOR_AGGREGATES.values(),
            Term,
            Group,
            Interaction,
            Trajectories,
            Trajectory,
            Association,
            *BASES,
            HSGP,
            *MEANS,
            OwnMean,
            Since,
            *FAMILIES,
            Reporting,
            Utility,
            StateLabel,
            OwnPriors,
        )
    }
)
"""The package's own components of models, by the name of the class."""

#: The two that hold the components, and read themselves.
WHOLE_MODELS: Final = ("ModelSpec", "AggregateSpec")


@dataclass(frozen=True, slots=True)
class Role:
    """What a type may be registered as.

    Attributes
    ----------
    name
        For messages.
    protocol
        What the type keeps.
    admit
        Called with the type before it is registered, to add it to a table, or refuse it.
    """

    name: str
    protocol: type[Any]
    admit: Callable[[type[Any]], None] | None = None


ROLES: Final = (
    Role("pooling", Pooling, add_pooling),
    Role("baseline", Baseline),
    Role("marker family", MarkerFamily),
    Role("mean function", MeanFunction),
)


def register[T: type[Any]](component: T) -> T:
    """Register a type of one's own: a pooling, baseline, family of markers or mean function.

    The name of the class stands for it in stored fits: register it again, unchanged, before
    loading. Reviews and the command line are processes of their own; there, a type is found that
    an installed package names in its entry points of the group ``twinbayes.descriptions``.

    Parameters
    ----------
    component
        A frozen dataclass that keeps one of the protocols `Pooling`, `Baseline`, `MarkerFamily`
        and `MeanFunction`. Its fields are numbers, text, None, tuples, or descriptions again.

    Returns
    -------
    type
        The same, so that ``@register`` decorates it.

    Raises
    ------
    ModelError
        It is no frozen dataclass, keeps none of the protocols, or its name, or the kind of a
        pooling, is taken.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @register
    ... @dataclass(frozen=True, kw_only=True, slots=True)
    ... class Percentage(Normal):
    ...     floor: float | None = 0.0
    ...     ceiling: float | None = 100.0
    >>> Trajectory(marker="global_health", family=Percentage()).family.ceiling
    100.0
    """
    if not (isinstance(component, type) and _is_frozen_dataclass(component)):
        raise ModelError(
            f"{component!r} cannot be registered: a description is a frozen dataclass. Put "
            "@dataclass(frozen=True) below @register."
        )
    name, role = component.__name__, _role(component)
    _require_fields_to_come_back(component)
    if name in COMPONENTS or name in WHOLE_MODELS:
        raise ModelError(
            f"The type {name!r} cannot be registered: the package has one of this name. Choose "
            "another name."
        )
    OWN_TYPES.require_free(name, component)
    if role.admit is not None:
        role.admit(component)
    OWN_TYPES.add(name, component)
    return component


def known_type(name: object, *, whole: type[Any] | None = None) -> type[Any]:
    """Return the type that a stored description names.

    Parameters
    ----------
    name
        The name of the class.
    whole
        `ModelSpec` or `AggregateSpec` where one may be named.

    Raises
    ------
    ModelError
        The package has none of this name, and none is registered or offered by an installed
        package.
    """
    if whole is not None and name == whole.__name__:
        return whole
    if isinstance(name, str):
        found = COMPONENTS.get(name) or OWN_TYPES.get(name)
        if found is None and (installed := OWN_TYPES.installed(name)) is not None:
            found = register(installed)
        if found is not None:
            return found
    raise ModelError(
        f"Stored model names the unknown type {name!r}. If it is one of your own, register it "
        "before loading: run the file that has twinbayes.model.register of it, or install a "
        f"package that has it among its entry points {OWN_TYPES.entry_points!r}. Otherwise the "
        "model was written by another version, or altered."
    )


def require_storable(description: object, *, whole: type[Any] | None = None) -> None:
    """Refuse, before sampling, a description that could be written and never be read again.

    Raises
    ------
    ModelError
        Names the type that is neither the package's nor registered, or is no description.
    """
    if isinstance(description, tuple | list):
        for part in description:
            require_storable(part)
        return
    if description is None or isinstance(description, str | int | float):
        return
    kind = type(description)
    name = kind.__name__
    if kind is not (whole or COMPONENTS.get(name) or OWN_TYPES.get(name)):
        raise ModelError(
            f"The model has a part of the type {name!r}, which no stored fit could be read with. "
            "Models are made of numbers, text, None, tuples, and frozen dataclasses that are "
            f"known. Register one of your own with twinbayes.model.register({name}), each time "
            "that its file is run, and describe the model after that."
        )
    for f in fields(kind):
        part = getattr(description, f.name)
        if f.name == "kind" and f.default is not MISSING and part != f.default:
            raise ModelError(
                f"{name} is of the kind {f.default!r}, not {part!r}: draws are named after the "
                "kind of the type, and found by it. Leave `kind`, or register another type."
            )
        require_storable(part)


def _require_fields_to_come_back(component: type[Any]) -> None:
    """Refuse fields that would be written and not read, or read as something else."""
    for f in fields(component):
        if f.name == KIND or not f.init:
            raise ModelError(
                f"{component.__name__} cannot be registered: its field {f.name!r} is "
                + ("reserved in stored models." if f.name == KIND else "not set when it is made.")
                + " Give it another name, or make it a property."
            )
    for name, annotation in vars(component).get("__annotations__", {}).items():
        if "InitVar" in str(annotation):
            raise ModelError(
                f"{component.__name__} cannot be registered: {name!r} is an InitVar, which is lost "
                "when it is stored. Make it a field."
            )


def _is_frozen_dataclass(component: type[Any]) -> bool:
    return is_dataclass(component) and bool(cast(Any, component).__dataclass_params__.frozen)


def _role(component: type[Any]) -> Role:
    """Find the role whose protocol a type keeps."""
    has = {*dir(component), *(f.name for f in fields(component))}
    for role in ROLES:
        if {name for name in vars(role.protocol) if not name.startswith("_")} <= has:
            return role
    raise ModelError(
        f"The type {component.__name__!r} cannot be registered: it is none of "
        f"{', '.join(role.name for role in ROLES)}. Give it all properties and methods of one of "
        f"the protocols {', '.join(role.protocol.__name__ for role in ROLES)}."
    )
