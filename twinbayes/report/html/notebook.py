"""Templates: jupytext notebooks run by papermill in this very Python, with declared parameters."""

from __future__ import annotations

import ast
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinbayes.errors import OptionError, ReportError, require_known
from twinbayes.resources import resource_path

if TYPE_CHECKING:
    from nbformat import NotebookNode

_PARAMETERS: Final = "parameters"
_REMEDY: Final = "Install them with the extra 'notebooks': pip install 'twinbayes[notebooks]'."
_START_SECONDS: Final = 120
#: Longest address of a local socket, in bytes: 103 on macOS, 107 on Linux, and a number follows.
_LONGEST_ADDRESS: Final = 95
_SHORT_FOLDERS: Final = ("/tmp", "/var/tmp")  # noqa: S108 - a new private folder in one, for sockets alone


def run_template(name: str, parameters: Mapping[str, object]) -> NotebookNode:
    """Execute a report template and return the notebook with its outputs.

    Parameters
    ----------
    name
        File name without ending, e.g. ``"model_review"``.
    parameters
        Values for the template's parameters; a name that the template does not declare is
        refused, because papermill writes names into code as they are.

    Raises
    ------
    OptionError
        If the template is none of the shipped ones, a parameter is not declared, or its type
        differs from the declared one's. A default of None takes numbers.
    ReportError
        If papermill is not installed, or a cell fails.
    """
    template = resource_path("notebooks", f"{name}.py")
    declared = declared_parameters(template.read_text(encoding="utf-8"))
    checked = {
        require_known(key, declared, f"parameter of {name}"): _of_type(key, value, declared[key])
        for key, value in parameters.items()
    }
    try:
        import jupytext
        import papermill
        from papermill.exceptions import PapermillExecutionError
    except ImportError as error:
        raise ReportError(
            f"Reports need papermill and jupytext ({error.name} is missing). {_REMEDY}"
        ) from error
    notebook = jupytext.read(template, fmt="py:percent")
    # papermill looks the language up here; the kernel itself comes from `_kernel_manager`.
    notebook.metadata["kernelspec"] = {
        "name": "python3", "language": "python", "display_name": "Python 3",
    }  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="twinbayes-") as folder,
        _address(Path(folder)) as address,
        _code_kept_out_of_logs(),
    ):
        try:
            executed: NotebookNode = papermill.execute_notebook(
                notebook,
                None,
                parameters=checked,
                progress_bar=False,
                start_timeout=_START_SECONDS,
                kernel_manager_class=_kernel_manager(Path(folder), address),
            )
        except PapermillExecutionError as error:
            raise ReportError(
                f"The template {name!r} failed in cell {error.cell_index}: {error.ename}: "
                f"{error.evalue}"
            ) from error
    return executed


def declared_parameters(source: str) -> dict[str, Any]:
    """Return names and defaults of the cell tagged ``parameters`` of a percent script."""
    cell = next((c for c in source.split("\n# %%") if f'tags=["{_PARAMETERS}"]' in c), None)
    if cell is None:
        raise ReportError('The template has no cell tagged ["parameters"].')
    found = {}
    for statement in ast.parse(cell.partition("\n")[2]).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = ast.literal_eval(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = ast.literal_eval(value)
            case _:
                raise ReportError(
                    "The cell tagged parameters may hold assignments of plain values alone."
                )
    return found


def _of_type(name: str, value: object, default: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and isinstance(default, float):
        return float(value)  # type: ignore[arg-type]
    if default is None and (is_number or value is None):
        return value
    if default is None:
        raise OptionError(f"Parameter {name!r} is declared as a number or None, not {value!r}.")
    if type(value) is not type(default):
        raise OptionError(
            f"Parameter {name!r} is declared as {type(default).__name__}, not "
            f"{type(value).__name__}."
        )
    return value


@contextmanager
def _code_kept_out_of_logs() -> Iterator[None]:
    """Drop papermill's records of details: they quote the code that is run, with all values."""

    def coarse(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.INFO

    logger = logging.getLogger("papermill")
    logger.addFilter(coarse)
    try:
        yield
    finally:
        logger.removeFilter(coarse)


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Give the sockets of a kernel an address: in the folder, or in a shorter one of their own.

    Raises
    ------
    ReportError
        Every folder for temporary files has too long a name.
    """
    own = str(folder / "socket")
    if len(os.fsencode(own)) <= _LONGEST_ADDRESS:
        yield own
        return
    for short in _SHORT_FOLDERS:
        if os.access(short, os.W_OK):
            with tempfile.TemporaryDirectory(prefix="twinbayes-", dir=short) as other:
                yield str(Path(other) / "socket")
            return
    raise ReportError(
        f"The folder for temporary files has too long a name for local sockets (over "
        f"{_LONGEST_ADDRESS} bytes). Set TMPDIR to a folder with a shorter one."
    )


def _kernel_manager(folder: Path, address: str) -> type:
    """Return a kernel manager for this interpreter.

    No kernel needs to be registered on the machine, a registered one that belongs to another
    Python is not used, start-up files of the user are not run, and no network port is opened.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    spec = KernelSpec(
        argv=[
            sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher",
            "-f", "{connection_file}",
            # What is run has the values of parameters in it, and must not outlive the kernel.
            "--HistoryManager.enabled=False",
        ],
        display_name="Python 3",
        language="python",
        env={
            "IPYTHONDIR": str(folder),
            "MPLBACKEND": "Agg",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        },
    )  # fmt: skip

    class ThisPython(AsyncKernelManager):
        kernel_spec = spec

        def __init__(self, **kwargs: Any) -> None:
            file = str(folder / "kernel.json")
            super().__init__(**kwargs, transport="ipc", ip=address, connection_file=file)

        async def shutdown_kernel(  # type: ignore[override]
            self, now: bool = False, restart: bool = False
        ) -> None:
            """Ask the kernel to end; one that is busy is ended by `finish_shutdown`.

            The library interrupts it first. An interrupt that arrives while an idle kernel
            still tidies up after its last cell makes it write an error to standard error.
            """
            if now or restart:
                await super().shutdown_kernel(now=now, restart=restart)
                return
            self.shutting_down = True
            self.stop_restarter()
            await self.request_shutdown()
            await self.finish_shutdown()
            await self.cleanup_resources()

    return ThisPython
