"""From a model to a judged posterior: samplers, the fail-closed gate, storage, provenance."""

from __future__ import annotations

from twinbayes.inference.gate import Verdict, judge
from twinbayes.inference.manifest import build_manifest
from twinbayes.inference.samplers import Compiled, compile_model, sample
from twinbayes.inference.storage import read_tree, write_tree

__all__ = [
    "Compiled",
    "Verdict",
    "build_manifest",
    "compile_model",
    "judge",
    "read_tree",
    "sample",
    "write_tree",
]
