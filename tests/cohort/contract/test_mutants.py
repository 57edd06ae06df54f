"""Whatever happens to a cohort's files, they are read whole or refused without an identifier."""

from __future__ import annotations

import csv
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import twinbayes as tb
from mutants import PERSON, TABLES, mutate
from twinbayes.cohort import Cohort, read_cohort
from twinbayes.cohort.contract.faults import RULES
from twinbayes.errors import CohortError

SECONDS = 5.0  # of one processor, and
BYTES_A_SECOND = 10e6  # of what is read: a mutant may fill a column with very long text
SAMPLE = (537, *range(0, 1200, 20))  # 537 once ended in an error that is none of ours


@pytest.fixture(scope="module")
def embedded() -> Cohort:
    return tb.datasets.registry()


@pytest.fixture(scope="module")
def folder(embedded: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedded.write(tmp_path_factory.mktemp("embedded") / "cohort")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def rows_in(path: Path) -> int:
    """Rows of a CSV file below its header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return max(sum(1 for _ in csv.reader(file)) - 1, 0)


def no_row_is_lost(cohort: Cohort, folder: Path) -> bool:
    for table, frame in cohort.tables.items():
        listed = int((cohort.excluded["table"] == table).sum())
        used = rows_in(folder / f"{table}.csv") - listed
        # A patient without a row of genomics has one there, in which every lesion is unknown.
        whole = (
            used <= len(frame) == cohort.n_patients if table == "genomics" else used == len(frame)
        )
        if not whole:
            return False
    there = {path.stem for path in folder.glob("*.csv")} & set(TABLES)
    return there == set(cohort.tables)


def tells_no_patient(error: CohortError) -> bool:
    faults = "" if error.faults is None else error.faults.to_csv()
    return not re.search(rf"SIM\d|{PERSON.split()[0]}", str(error) + faults)


def holds(seed: int, embedded: Cohort, folder: Path, place: Path) -> str:
    """Read one mutant; return what is wrong with the answer, or nothing."""
    copy = place / str(seed)
    shutil.copytree(folder, copy)
    done, same = mutate(copy, seed)
    size = sum(path.stat().st_size for path in copy.rglob("*") if path.is_file())
    begun = time.process_time()
    try:
        read: Cohort | CohortError = read_cohort(copy)
    except CohortError as error:
        read = error
    except Exception as error:
        return f"{seed}, {done}: {type(error).__name__}: {error}"[:500]
    seconds = time.process_time() - begun
    wrong = []
    if seconds > SECONDS + size / BYTES_A_SECOND:
        wrong.append(f"took {seconds:.1f} s")
    if isinstance(read, Cohort):
        if not no_row_is_lost(read, copy):
            wrong.append("rows are lost")
        if same and read.fingerprint != embedded.fingerprint:
            wrong.append("it says something else")
    else:
        if same:
            wrong.append("refused, though it says the same")
        if not tells_no_patient(read):
            wrong.append("the error tells of a patient")
        if read.faults is None or read.faults.empty:
            wrong.append("no fault is listed")
        elif not set(read.faults["rule"]) <= set(RULES) or read.faults["remedy"].isna().any():
            wrong.append("a fault has no remedy")
    shutil.rmtree(copy)
    return f"{seed}, {done}: {', '.join(wrong)}" if wrong else ""


@pytest.mark.requirement("R-003")
def test_a_sample_of_mutants_is_read_whole_or_refused_by_name(
    embedded: Cohort, folder: Path, place: Path
) -> None:
    wrong = [found for seed in SAMPLE if (found := holds(seed, embedded, folder, place))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_mutant_is_read_whole_or_refused_by_name(
    embedded: Cohort, folder: Path, place: Path
) -> None:
    wrong = [found for seed in range(1200) if (found := holds(seed, embedded, folder, place))]
    assert not wrong, "\n".join(wrong)


def test_the_same_seed_makes_the_same_mutant(folder: Path, place: Path) -> None:
    made = []
    for name in ("a", "b"):
        shutil.copytree(folder, place / name)
        told = mutate(place / name, 7)
        files = sorted((place / name).iterdir())
        made.append((told, [(f.name, f.read_bytes()) for f in files if f.is_file()]))
    assert made[0] == made[1]
