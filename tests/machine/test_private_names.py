"""What the package uses of PyTensor, PyMC, nutpie and numba beyond their documented names.

None of it is promised by them. A new release that drops or changes any of it fails here, by name,
instead of in the middle of a model; and a new use of such a name fails until it is listed.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

import twinbayes
from twinbayes.machine.jit import kernel_hash
from twinbayes.machine.special import digamma
from twinbayes.machine.tape.linalg import solve_entry

OTHERS: Final = ("llvmlite", "numba", "nutpie", "pymc", "pytensor")
#: Modules whose names are documented; of all others, every name counts as private.
DOCUMENTED: Final = {
    "numba", "numba.extending", "numba.types", "nutpie", "pymc", "pymc.math", "pytensor",
    "pytensor.tensor", "pytensor.tensor.linalg",
}  # fmt: skip

#: Module -> its names in use.
PRIVATE: Final = {
    "llvmlite.ir": {"FunctionType", "IntType", "VoidType"},
    "numba.core.ccallback": {"CFunc"},
    "numba.core.cgutils": {"voidptr_t"},
    "numba.core.sigutils": {"normalize_signature"},
    "nutpie.compile_pymc": {"CompiledPyMCModel", "_prepare_dims_and_coords"},
    "pymc.exceptions": {"SamplingError"},
    "pymc.initial_point": {"make_initial_point_expression"},
    "pymc.pytensorf": {"find_rng_nodes", "replace_rng_nodes", "reseed_rngs"},
    "pymc.logprob.transforms": {"Transform"},
    "pymc.sampling.jax": {"sample_numpyro_nuts"},
    "pytensor.compile.builders": {"OpFromGraph"},
    "pytensor.compile.maker": {"function"},
    "pytensor.compile.mode": {"Mode", "optdb"},
    "pytensor.compile.ops": {"TypeCastingOp"},
    "pytensor.compile.sharedvalue": {"SharedVariable"},
    "pytensor.configdefaults": {"config"},
    "pytensor.gradient": {
        "DisconnectedInputError", "disconnected_grad", "disconnected_type", "grad",
    },
    "pytensor.graph.basic": {"Apply", "Constant", "Variable"},
    "pytensor.graph.fg": {"FrozenFunctionGraph", "FunctionGraph"},
    "pytensor.graph.op": {"Op"},
    "pytensor.graph.replace": {"clone_replace"},
    "pytensor.graph.rewriting.db": {"RewriteDatabaseQuery"},
    "pytensor.graph.rewriting.utils": {"rewrite_graph"},
    "pytensor.graph.traversal": {"ancestors", "graph_inputs"},
    "pytensor.link.jax.dispatch.basic": {"jax_funcify"},
    "pytensor.link.numba.dispatch.basic": {
        "numba_njit", "register_funcify_default_op_cache_key",
    },
    "pytensor.raise_op": {"CheckAndRaise"},
    "pytensor.scalar.basic": {"Composite", "ScalarOp"},
    "pytensor.tensor.basic": {
        "Alloc", "AllocDiag", "ExtractDiag", "Join", "MakeVector", "ScalarFromTensor", "Split",
        "TensorFromScalar",
    },
    "pytensor.tensor.elemwise": {"CAReduce", "DimShuffle", "Elemwise"},
    "pytensor.tensor.extra_ops": {"CumOp"},
    "pytensor.tensor.linalg.solvers.triangular": {"SolveTriangular"},
    "pytensor.tensor.math": {"Dot"},
    "pytensor.tensor.shape": {"Reshape", "Shape", "Shape_i", "SpecifyShape"},
    "pytensor.tensor.sharedvar": {"TensorSharedVariable"},
    "pytensor.tensor.subtensor": {
        "AdvancedIncSubtensor", "AdvancedSubtensor", "IncSubtensor", "Subtensor",
        "unflatten_index_variables",
    },
    "pytensor.tensor.variable": {"TensorVariable"},
}  # fmt: skip
#: Underscored attributes of objects that numba makes.
ATTRIBUTES: Final = {"_cache", "_cache_file", "_source_stamp"}


@dataclass
class Uses:
    """Private names in use, with their modules; calls of them; private attributes of objects."""

    names: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, int, tuple[str, ...]]] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)


def aliases(tree: ast.AST) -> dict[str, str]:
    """Names in a file that stand for something of the other packages."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return {k: v for k, v in found.items() if v.split(".")[0] in OTHERS}


def dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    """``pm.math.exp`` as ``pymc.math.exp``; None where it is of something else."""
    if isinstance(node, ast.Attribute):
        root = dotted(node.value, names)
        return None if root is None else f"{root}.{node.attr}"
    return names.get(node.id) if isinstance(node, ast.Name) else None


def named_here(trees: list[ast.Module]) -> set[str]:
    """Attributes, functions and fields that the package itself defines."""
    found: set[str] = set()
    for node in (n for tree in trees for n in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            root = node.value
            if isinstance(root, ast.Name) and root.id == "self":
                found.add(node.attr)
    return found


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def home(name: str) -> tuple[str, list[str], Any]:
    """Deepest module of a dotted name, the names after it, and the value of the first of them."""
    module, *rest = name.split(".")
    value: Any = import_module(module)
    while rest:
        try:
            value = import_module(f"{module}.{rest[0]}")
        except ModuleNotFoundError:
            value = getattr(value, rest[0])
        if not isinstance(value, ModuleType):
            break
        module = f"{module}.{rest.pop(0)}"
    return module, rest, value


@cache
def scan() -> Uses:
    folder = Path(twinbayes.__file__).parent
    trees = [ast.parse(p.read_text(encoding="utf-8")) for p in sorted(folder.rglob("*.py"))]
    own = named_here(trees)
    uses = Uses()
    for tree in trees:
        names = aliases(tree)
        if not names:
            continue
        for node, name in _names(tree, names):
            module, rest, _ = home(name)
            if rest and (module not in DOCUMENTED or is_private(rest[0])):
                uses.names[f"{module}.{rest[0]}"] = module
                if isinstance(node, ast.Call) and len(rest) == 1:
                    assert not any(isinstance(x, ast.Starred) for x in node.args), name
                    keywords = tuple(k.arg for k in node.keywords if k.arg is not None)
                    uses.calls.append((f"{module}.{rest[0]}", len(node.args), keywords))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                if dotted(node, names) is None and node.attr not in own:
                    uses.attributes.add(node.attr)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
                text = getattr(node.args[1], "value", "")
                if isinstance(text, str) and is_private(text):
                    uses.attributes.add(text)
    return uses


def _names(tree: ast.AST, names: dict[str, str]) -> Iterator[tuple[ast.AST, str]]:
    """Every use of another package: of a call, the call; else the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (node.module or "").split(".")[0] in OTHERS:
                    yield node, f"{node.module}.{alias.name}"
            continue
        name = dotted(node.func if isinstance(node, ast.Call) else node, names)
        if name:
            yield node, name


def test_every_private_name_in_use_is_listed_here() -> None:
    used: dict[str, set[str]] = {}
    for name, module in scan().names.items():
        used.setdefault(module, set()).add(name.removeprefix(f"{module}."))
    assert used == PRIVATE
    assert scan().attributes == ATTRIBUTES


@pytest.mark.parametrize("module", PRIVATE)
def test_every_private_name_exists(module: str) -> None:
    if ".jax" in module:
        pytest.importorskip("jax")
    found = import_module(module)
    assert {name for name in PRIVATE[module] if not hasattr(found, name)} == set()


@pytest.mark.parametrize(("name", "positional", "keywords"), sorted(set(scan().calls)))
def test_every_private_function_takes_what_it_is_given(
    name: str, positional: int, keywords: tuple[str, ...]
) -> None:
    _, _, function = home(name)
    given: dict[str, Any] = dict.fromkeys(keywords)
    inspect.signature(function).bind(*[None] * positional, **given)


def test_numba_ties_machine_code_on_disk_to_a_stamp_that_can_be_set() -> None:
    assert digamma._cache._cache_file._source_stamp == kernel_hash()
    assert solve_entry()._cache._cache_file._source_stamp == kernel_hash()
