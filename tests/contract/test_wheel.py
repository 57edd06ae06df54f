"""The built wheel works alone: outside the repository, with what it ships and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Alone:
    """An environment that holds the wheel, and a folder away from the repository to work in."""

    bin: Path
    folder: Path

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment and return what it prints."""
        hidden = {"PYTHONPATH", "TWINBAYES_SHARED"}
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k not in hidden},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the locked hatchling: nothing is fetched."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    [built] = folder.glob("twinbayes-*.whl")
    return built


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """Install the wheel into an empty environment.

    It sees the packages of the lock through a `.pth`
    line, because installing them again would need the network. Unlike a site directory, a folder
    named in a `.pth` has its own `.pth` files ignored, so the editable install of the working copy
    stays out of sight.
    """
    home = tmp_path_factory.mktemp("alone")
    environment = home / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--no-index", "--python", python]
    subprocess.run([*install, wheel], check=True, capture_output=True)
    purelib = sysconfig.get_path("purelib", vars={"base": str(environment)})
    Path(purelib, "locked.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    return Alone(environment / "bin", elsewhere)


@pytest.mark.requirement("R-069")
def test_the_wheel_holds_the_package_its_priors_schemas_and_templates(
    wheel: Path, root: Path
) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    places = {
        "twinbayes": "twinbayes",
        "diseases": "twinbayes/_diseases",
        "priors": "twinbayes/_priors",
        "queries": "twinbayes/_queries",
        "data_schemas": "twinbayes/_data_schemas",
        "notebooks/review": "twinbayes/_notebooks",
    }
    for folder, place in places.items():
        kept = [
            p.relative_to(root / folder).as_posix()
            for p in (root / folder).rglob("*")
            if p.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(p.parts)
        ]
        assert kept, folder
        assert {f"{place}/{name}" for name in kept} <= packed
    strangers = [
        name
        for name in packed
        if not name.startswith(("twinbayes/", "twinbayes-")) or "__pycache__" in name
    ]
    assert strangers == []


def test_the_installed_package_comes_from_the_wheel_and_not_from_the_repository(
    alone: Alone, root: Path
) -> None:
    where = alone.run("python", "-c", "import twinbayes; print(twinbayes.__file__)").strip()
    assert "site-packages" in where
    assert not Path(where).is_relative_to(root)


def test_the_installed_command_shows_its_help(alone: Alone) -> None:
    shown = alone.run("twinbayes", "--help")
    assert "demo" in shown


def test_the_installed_package_has_the_diseases_that_are_files(alone: Alone) -> None:
    assert "bcr_abl1" in alone.run("twinbayes", "disease", "show", "cml")
    alone.run("twinbayes", "disease", "new", "mine", "--out", "mine.yaml")
    assert "can be built" in alone.run("twinbayes", "disease", "check", "mine.yaml")


def test_the_installed_package_says_what_it_is_made_with(alone: Alone, root: Path) -> None:
    alone.run("twinbayes", "sbom", "--out", "sbom.json")
    bill = json.loads((alone.folder / "sbom.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest()
    assert [one["value"] for one in bill["metadata"]["properties"]] == [digest]


FORECAST = """
import twinbayes as tb

cohort = tb.datasets.registry()
fit = tb.fit(
    tb.disease("registry"), cohort, priors=tb.load_priors("registry"),
    draws=20, tune=20, chains=1, seed=1, progressbar=False,
)
fit.save("fit.nc")
twin = tb.load_fit("fit.nc").twin(cohort.patient_ids[0], at=30.0)
survival = twin.forecast(until=365.0, grid=[0.0, 365.0]).survival.values.squeeze()
print(fit.verdict.usable, *survival)
"""


@pytest.mark.slow  # machine code of every kernel is made anew
def test_the_installed_package_fits_saves_and_forecasts_with_its_own_priors(alone: Alone) -> None:
    usable, start, end = alone.run("python", "-W", "ignore", "-c", FORECAST).split()
    assert usable == "False", "twenty draws cannot satisfy the gate"
    assert float(start) == 1.0
    assert 0.0 < float(end) < 1.0
    assert (alone.folder / "fit.nc").is_file()
