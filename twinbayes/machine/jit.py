"""The one way to compile kernels, and what keeps their machine code on disk true.

numba keeps machine code beside the file of the function compiled, and takes it for fresh as long
as that file is the same. But what a kernel calls is compiled into it, from other files too, and so
are constants. Here machine code is fresh as long as every file of kernels in the package is the
same, and every file that one of them imports from: `kernel_hash` stands for them all, and they are
found by what they import.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any, Final

import numba
from numba.core import sigutils
from numba.core.ccallback import CFunc

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MARK: Final = f"from {__name__} import"
_IMPORT: Final = re.compile(
    rf"^\s*from {_PACKAGE.name}\.([\w.]+) import (\([^)]*\)|[^\n]*)", re.MULTILINE
)

type Decorator = Callable[[Callable[..., Any]], Any]


@cache
def kernel_files() -> tuple[Path, ...]:
    """Every file of the package that imports this one, and all that those import from."""
    files = (path for path in _PACKAGE.rglob("*.py") if path.is_file() and path.name[0] != ".")
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files}
    kernels = {path: text for path, text in texts.items() if _MARK in text}
    imported = {path for text in kernels.values() for path in _imported(text)}
    return tuple(sorted({Path(__file__).resolve(), *kernels, *(imported & texts.keys())}))


def _imported(text: str) -> set[Path]:
    """Where the modules would lie that a file imports, or imports names from."""
    found = set()
    for module, names in _IMPORT.findall(text):
        place = _PACKAGE.joinpath(*module.split("."))
        found |= {place.with_suffix(".py"), place / "__init__.py"}
        found |= {place / f"{name}.py" for name in re.findall(r"\w+", names)}
    return found


@cache
def kernel_hash() -> str:
    """Hash of all `kernel_files`, their places in the package and their contents."""
    found = hashlib.sha256()
    for path in kernel_files():
        found.update(path.relative_to(_PACKAGE).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def kernel_version() -> int:
    """`kernel_hash` as a number, for whoever caches graphs with kernels inside."""
    return int(kernel_hash()[:15], 16)


def jit(*, fast: Collection[str] = (), nogil: bool = False, on_disk: bool = True) -> Decorator:
    """Return a decorator that compiles a function when it is called, and keeps the code on disk.

    Parameters
    ----------
    fast
        Liberties that LLVM may take with sums and products, such as ``contract``, ``reassoc``.
    nogil
        Let other threads run meanwhile.
    on_disk
        Not for functions from outside the package: of their files no hash tells.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher: Any = numba.njit(
            error_model="numpy", nogil=nogil, fastmath=set(fast), cache=on_disk
        )(function)
        _tie_to_all_kernels(dispatcher)
        return dispatcher

    return compiled


def inner(*, fast: Collection[str] = (), nogil: bool = False) -> Decorator:
    """Return a decorator for what compiled code alone calls.

    Without the wrappers that would take as long to compile as the code itself, and without a file
    of its own: it lies in the code of its callers.
    """
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    decorator: Decorator = numba.njit(
        error_model="numpy", nogil=nogil, fastmath=set(fast), **options
    )
    return decorator


def native(signature: Any, function: Callable[..., Any], *, error_model: str = "numpy") -> Any:
    """Compile a function as a C function, whose ``address`` other code may call."""
    types = sigutils.normalize_signature(signature)
    compiled: Any = CFunc(function, types, locals={}, options={"error_model": error_model})
    compiled.enable_caching()
    _tie_to_all_kernels(compiled)
    compiled.compile()
    return compiled


def _tie_to_all_kernels(compiled: Any) -> None:
    """Let the machine code on disk count as fresh only while no kernel has changed."""
    file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is not None:  # there is none where numba is switched off
        file._source_stamp = kernel_hash()
