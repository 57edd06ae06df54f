"""From a model to a judged posterior: samplers, the fail-closed gate, storage, provenance."""

from __future__ import annotations

from twinbayes.inference.aggregate_fit import AggregateFit, CompiledAggregate
from twinbayes.inference.files.inspecting import inspect_fit
from twinbayes.inference.files.manifest import build_manifest
from twinbayes.inference.files.sealed import read_tree, write_tree
from twinbayes.inference.fit import Fit
from twinbayes.inference.fitting import CompiledFit, compile_fit, fit, load_fit
from twinbayes.inference.gate.verdict import Verdict, judge
from twinbayes.inference.plain.model_fit import ModelFit
from twinbayes.inference.samplers.protocol import Compiled, compile_model, sample
from twinbayes.inference.shared_fit import SharedFit

__all__ = [
    "AggregateFit",
    "Compiled",
    "CompiledAggregate",
    "CompiledFit",
    "Fit",
    "ModelFit",
    "SharedFit",
    "Verdict",
    "build_manifest",
    "compile_fit",
    "compile_model",
    "fit",
    "inspect_fit",
    "judge",
    "load_fit",
    "read_tree",
    "sample",
    "write_tree",
]
