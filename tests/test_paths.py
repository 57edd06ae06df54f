"""Every path that a user gives is read as an ordinary file, or refused at once and by its rule."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import StorageError, TwinbayesError
from twinbayes.inference import Fit
from twinbayes.paths import path_of
from twinbayes.priors import Mixture, check_priors
from twinbayes.priors.mixtures.exchange import read_mixture, write_mixture
from twinbayes.private_files import require_writable, write_private
from twinbayes.report import read_checks, read_effects, twin_report, write_checks, write_effects
from twinbayes.report.quality_page import write_quality_page
from twinbayes.trials.simulated.study_file import read_study
from twinbayes.twin import Ledger

FIT = Path(__file__).parent / "data" / "registry_fit.nc"
SECONDS = 120  # of the clock, on a busy machine; what waits, waits for ever


READERS: dict[str, tuple[Callable[[Any], object], str]] = {
    "fit": (tb.load_fit, "x.nc"),
    "aggregate": (tb.read_aggregate, "x.csv"),
    "disease": (tb.disease, "x.yaml"),
    "priors": (tb.load_priors, "x.yaml"),
    "priors checked": (check_priors, "x.yaml"),
    "mixture": (read_mixture, "x.json"),
    "study": (read_study, "x.yaml"),
    "checks": (read_checks, "x.json"),
    "effects": (read_effects, "x.json"),
    "ledger": (lambda path: Ledger(path).records(), "x.jsonl"),
    "cohort": (tb.read_cohort, "cohort"),
    "amlsg": (lambda path: tb.read_cohort(path, "amlsg"), "amlsg"),
    "cml": (lambda path: tb.read_cohort(path, "cml"), "cml"),
    "pbc2": (lambda path: tb.read_cohort(path, "pbc2"), "pbc2"),
    "ebmt3": (lambda path: tb.read_cohort(path, "ebmt3"), "x.csv"),
    "ebmt4": (lambda path: tb.read_cohort(path, "ebmt4"), "x.csv"),
}


@cache
def fit() -> Fit:
    found = tb.load_fit(FIT)
    assert isinstance(found, Fit)
    return found


@cache
def cohort() -> Cohort:
    return fit().cohort


ODD: dict[str, Any] = {
    "a number": 3,
    "bytes": b"x.yaml",
    "a list": ["x.yaml"],
    "a zero byte": "a\0b.yaml",
    "half of a surrogate pair": "\ud800.yaml",
    "too long a name": "x" * 300 + ".yaml",
}


@pytest.fixture
def never_waits() -> Iterator[None]:
    def end(*_: object) -> None:
        pytest.fail("waited for a pipe, or read a device without end")

    cohort()  # made once, and not while the clock runs
    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def made(kind: str, path: Path) -> None:
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link to itself":
        path.symlink_to(path)


@pytest.mark.usefixtures("never_waits")
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a link to itself", "nothing"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_ordinary_file_is_refused_unread(reader: str, kind: str, tmp_path: Path) -> None:
    read, name = READERS[reader]
    made(kind, tmp_path / name)
    with pytest.raises(TwinbayesError):
        read(tmp_path / name)


@pytest.mark.usefixtures("never_waits")
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder"])
def test_the_head_of_a_ledger_is_an_ordinary_file(kind: str, tmp_path: Path) -> None:
    ledger = Ledger.begin(tmp_path / "updates")
    ledger.head_path.unlink()
    made(kind, ledger.head_path)
    with pytest.raises(StorageError, match="unreadable"):
        ledger.records()


@pytest.mark.usefixtures("never_waits")
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder"])
@pytest.mark.parametrize("name", ["patients.csv", "datapackage.json"])
def test_a_table_of_a_cohort_is_an_ordinary_file(name: str, kind: str, tmp_path: Path) -> None:
    folder = cohort().write(tmp_path / "cohort")
    (folder / name).unlink()
    made(kind, folder / name)
    with pytest.raises(TwinbayesError, match=r"Name|file"):
        tb.read_cohort(folder)


@pytest.mark.parametrize("given", ODD)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_path_is_refused_by_every_reader(reader: str, given: str) -> None:
    with pytest.raises(TwinbayesError):
        READERS[reader][0](ODD[given])


@pytest.mark.parametrize(
    "reader", [name for name in READERS if not name.startswith("ebmt")]
)  # which read an installed package then
def test_no_path_at_all_is_refused_by_every_reader(reader: str) -> None:
    with pytest.raises(TwinbayesError):
        READERS[reader][0](None)


WRITERS: dict[str, Callable[[Any], object]] = {
    "bytes of one's own": lambda path: write_private(path, "x"),
    "a place tried": require_writable,
    "cohort": lambda path: cohort().write(path),
    "quality": lambda path: write_quality_page(cohort().quality(), path),
    "disease": lambda path: tb.disease("survival").write(path),
    "fit": lambda path: fit().save(path),
    "mixture": lambda path: write_mixture(
        Mixture("beta", np.ones(1), np.ones(1), np.ones(1)), path
    ),
    "checks": lambda path: write_checks(path, []),
    "effects": lambda path: write_effects(path, list[xr.Dataset]()),
    "ledger": Ledger.begin,
    "review": lambda path: tb.review(fit(), path),
    "twin": lambda path: twin_report(fit(), cohort().patient_ids[0], path),
}


@pytest.mark.parametrize("given", [None, *ODD])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_no_path_is_refused_by_every_writer(
    writer: str, given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TwinbayesError):
        WRITERS[writer](None if given is None else ODD[given])  # before anything is computed
    assert not list(tmp_path.iterdir())


def test_a_path_is_text_or_a_path() -> None:
    assert path_of("a/b", StorageError, "x") == path_of(Path("a/b"), StorageError, "x")
    with pytest.raises(StorageError, match=r"load: a path is text or a pathlib\.Path, not a None"):
        path_of(None, StorageError, "load")
