"""Bayesian digital twins for rare-disease registries.

A registry's tables go in; for every patient, trajectories and treatment contrasts with honest
uncertainty come out, together with the evidence a reviewer needs to believe them::

    import twinbayes as tb

    cohort = tb.read_cohort("my_registry")
    fit = tb.fit(tb.disease("registry"), cohort, priors=tb.load_priors("registry"))
    fit.verdict
    fit.twin().forecast(until=5 * 365.25)

Names are loaded on first use: `import twinbayes` is quick, and reading tables does not import a
sampler.
"""

from __future__ import annotations

import copyreg
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinbayes import datasets
    from twinbayes.cohort import (
        Aggregate,
        Cohort,
        cohort_from_tables,
        import_cohort,
        new_patient,
        propose_mapping,
        read_aggregate,
        read_cohort,
    )
    from twinbayes.diseases import disease
    from twinbayes.inference.aggregate_fit import AggregateFit
    from twinbayes.inference.fit import Fit
    from twinbayes.inference.fitting import fit, load_fit
    from twinbayes.model.assemble import assemble
    from twinbayes.model.spec import ModelSpec
    from twinbayes.plots import plot_contrast
    from twinbayes.priors import PriorSet, load_priors
    from twinbayes.report import review
    from twinbayes.stacking import stack
    from twinbayes.twin import Scenario, Twin

__version__ = "0.1.0"


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


def _as_parts(mapping: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    return _read_only, (dict(mapping),)


# Fits, priors and models have read-only mappings inside, are copied, and go to other processes.
copyreg.pickle(MappingProxyType, _as_parts)

__all__ = [
    "Aggregate",
    "AggregateFit",
    "Cohort",
    "Fit",
    "ModelSpec",
    "PriorSet",
    "Scenario",
    "Twin",
    "__version__",
    "assemble",
    "cohort_from_tables",
    "datasets",
    "disease",
    "fit",
    "import_cohort",
    "load_fit",
    "load_priors",
    "new_patient",
    "plot_contrast",
    "propose_mapping",
    "read_aggregate",
    "read_cohort",
    "review",
    "stack",
]

_HOME = {
    "Aggregate": "cohort",
    "read_aggregate": "cohort",
    "AggregateFit": "inference",
    "Cohort": "cohort",
    "read_cohort": "cohort",
    "cohort_from_tables": "cohort",
    "import_cohort": "cohort",
    "new_patient": "cohort",
    "propose_mapping": "cohort",
    "PriorSet": "priors",
    "load_priors": "priors",
    "ModelSpec": "model",
    "assemble": "model",
    "disease": "diseases",
    "Fit": "inference",
    "fit": "inference",
    "load_fit": "inference",
    "Scenario": "twin",
    "Twin": "twin",
    "review": "report",
    "stack": "stacking",
    "plot_contrast": "plots",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for (PEP 562)."""
    if name == "datasets":
        return import_module("twinbayes.datasets")
    if name not in _HOME:
        raise AttributeError(f"module 'twinbayes' has no attribute {name!r}")
    value = getattr(import_module(f"twinbayes.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
