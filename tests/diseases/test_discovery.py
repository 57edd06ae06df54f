"""A disease is a file in the folder and a set of priors: nothing else is edited."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from contributing import file_of
from twinbayes import diseases
from twinbayes.cohort import cohort_from_tables
from twinbayes.discovery import collect, declared_names
from twinbayes.diseases import AGGREGATES, DISEASES
from twinbayes.errors import OptionError
from twinbayes.resources import disease_files, priors_dir

TOY = file_of("A disease")


@pytest.fixture
def toy_folder(tmp_path: Path) -> Path:
    """A folder with one disease file."""
    folder = tmp_path / "package" / "diseases"
    folder.mkdir(parents=True)
    (folder / "toy_disease.py").write_text(TOY, encoding="utf-8")
    return folder


@pytest.fixture
def library_with_toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library, and a set of the name of the disease in a folder of its own."""
    library = tmp_path / "priors"
    (library / "toy").mkdir(parents=True)
    for folder in priors_dir().iterdir():
        (library / folder.name).symlink_to(folder)
    text = (priors_dir() / "survival" / "v1.yaml").read_text(encoding="utf-8")
    (library / "toy" / "v1.yaml").write_text(
        text.replace("\nname: survival\n", "\nname: toy\n"), encoding="utf-8"
    )
    monkeypatch.setattr("twinbayes.priors.files.library.priors_dir", lambda: library)


@pytest.fixture
def with_toy(
    toy_folder: Path, library_with_toy: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The package with the folder of the toy beside its own."""
    monkeypatch.setattr(diseases, "__path__", [*diseases.__path__, str(toy_folder)])
    found = MappingProxyType(collect(diseases.__name__, "DISEASES"))
    monkeypatch.setattr(diseases, "DISEASES", found)
    yield
    del sys.modules[f"{diseases.__name__}.toy_disease"]


def test_names_are_the_same_whether_files_are_imported_or_only_read() -> None:
    declared = {*declared_names(diseases.__name__, "DISEASES"), *disease_files()}
    assert tuple(sorted(declared)) == tuple(DISEASES)
    assert declared_names(diseases.__name__, "AGGREGATES") == tuple(AGGREGATES)
    assert not set(DISEASES) & set(AGGREGATES)


def test_every_disease_is_called_what_its_description_says() -> None:
    for name, describe in DISEASES.items():
        assert describe().name == name


def test_a_file_and_its_priors_are_all_that_a_disease_needs(with_toy: None, tmp_path: Path) -> None:
    assert "toy" in diseases.DISEASES
    with pytest.raises(OptionError, match="option of disease 'toy'"):
        tb.disease("toy", window=3)
    rng = np.random.default_rng(1)
    ids = [f"p{k:02d}" for k in range(40)]
    patients = pd.DataFrame({"patient_id": ids, "subgroup": "one", "centre": "one"})
    died = rng.random(40) < 0.7
    events = pd.DataFrame(
        {
            "patient_id": ids,
            "day": rng.exponential(500.0, 40).round() + 1,
            "event": np.where(died, "death", "last_contact"),
        }
    )
    columns = ["name", "table", "role", "group", "unit"]
    variables = pd.DataFrame([("fatigue", "visits", "qol", "quality", "1")], columns=columns)
    tables = {"patients": patients, "events": events, "variables": variables}
    cohort = cohort_from_tables("toys", tables, simulated=True)
    fit = tb.fit(
        tb.disease("toy", windows=3), cohort, draws=20, tune=20, chains=2, seed=1,
        progressbar=False,
    )  # fmt: skip
    again = tb.load_fit(fit.save(tmp_path / "toy.nc"))
    assert again.spec == tb.disease("toy", windows=3)
    assert again.datatree["posterior"].equals(fit.datatree["posterior"])


def test_the_help_lists_a_new_disease_without_importing_it(toy_folder: Path) -> None:
    code = (
        "import sys, twinbayes; twinbayes.__path__.append(sys.argv[1]);"
        "from typer.testing import CliRunner; from twinbayes.cli.app import app;"
        "print(CliRunner().invoke(app, ['fit', '--help'], env={'COLUMNS': '200'}).output);"
        "print([m for m in sys.modules if m.startswith('twinbayes.diseases')])"
    )
    command = [sys.executable, "-c", code, str(toy_folder.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "retinopathy, rhdnase, survival, toy, or a YAML file of your own" in " ".join(
        done.stdout.split()
    )
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DISEASES = [('toy', None)]", "must be a dictionary"),
        ("DISEASES = {'not a name': None}", "names of letters, digits and underscores"),
        ("DISEASES = {", "cannot be read as Python"),
        ("DISEASES = {'pbc': None}", "declares 'pbc', which another file"),
    ],
)
def test_a_file_that_declares_nothing_usable_is_refused_by_name(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zz_wrong.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(diseases, "__path__", [*diseases.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{diseases.__name__}.zz_wrong", raising=False)
    with pytest.raises(OptionError, match=f"zz_wrong.*{message}"):
        collect(diseases.__name__, "DISEASES")
    declared_names(diseases.__name__, "DISEASES")  # help is shown all the same
    sys.modules.pop(f"{diseases.__name__}.zz_wrong", None)
