"""Files for their owner alone: whole or not at all, and places tried beforehand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import twinbayes as tb
from twinbayes.cohort.reading import read_files
from twinbayes.cohort.writing import cohort_files
from twinbayes.errors import StorageError
from twinbayes.private_files import private_opener, require_writable, write_private
from twinbayes.report.quality_page import write_quality_page


@pytest.fixture(params=[0o000, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("umask")
def test_what_holds_patients_is_for_its_owner_alone(tmp_path: Path) -> None:
    cohort = tb.datasets.registry()
    folder = cohort.write(tmp_path / "cohort")
    cohort.write(tmp_path / "parquet", file_format="parquet")
    write_quality_page(cohort.quality(), tmp_path / "new" / "quality.html")
    with open(tmp_path / "opened", "w", opener=private_opener) as file:
        file.write("x")
    assert modes(tmp_path) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_parts_are_written_one_after_the_other(tmp_path: Path) -> None:
    path = write_private(tmp_path / "x", b"ab", "\u00e9", memoryview(b"cd"))
    assert path.read_bytes() == b"ab\xc3\xa9cd"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def places(root: Path) -> dict[str, Path]:
    """Places that nothing can be written to, also by who may do everything."""
    (root / "file").write_text("kept")
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    return {
        "below a file": root / "file" / "x.html",
        "a folder": root / "folder",
        "a pipe": root / "pipe",
        "too long a name": root / ("x" * 300),
        "where nothing can be made": Path("/proc/no-such-folder/x.html"),
        "a device": Path("/dev/null"),
    }


@pytest.mark.parametrize("kind", [
    "below a file", "a folder", "a pipe", "too long a name", "where nothing can be made",
    "a device",
])  # fmt: skip
def test_a_place_that_cannot_be_written_is_refused_before_and_after(
    kind: str, tmp_path: Path
) -> None:
    place = places(tmp_path)[kind]
    before = sorted(tmp_path.rglob("*"))
    for attempt in (require_writable, lambda path: write_private(path, "x")):
        with pytest.raises(StorageError, match=r"could not be written .* Check that the folder"):
            attempt(place)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "kept"


def test_trying_a_place_makes_its_folder_and_leaves_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("kept")
    require_writable(tmp_path / "page.html")
    require_writable(tmp_path / "new" / "page.html")
    assert (tmp_path / "page.html").read_text() == "kept"
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("how", ["itself", "relative", "link", "hard link", "through a link"])
def test_a_place_that_is_read_is_not_written_over(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cohort"
    folder.mkdir()
    read = folder / "patients.csv"
    read.write_text("kept")
    (tmp_path / "link").symlink_to(read)
    os.link(read, tmp_path / "hard")
    (tmp_path / "other").symlink_to(folder)
    place = {
        "itself": read, "relative": Path("cohort/../cohort/patients.csv"), "link": Path("link"),
        "hard link": tmp_path / "hard", "through a link": Path("other/patients.csv"),
    }[how]  # fmt: skip
    for reads in ([read], [None, "nowhere", str(folder)], [Path("cohort")]):
        with pytest.raises(StorageError, match=r"not written over\. Name another place"):
            require_writable(place, reads=reads)
    assert read.read_text() == "kept"
    assert require_writable(folder / "new.html", reads=[folder, read]) == folder / "new.html"


def test_a_cohort_goes_through_memory_unchanged() -> None:
    cohort = tb.datasets.registry()
    assert read_files(cohort_files(cohort)).fingerprint == cohort.fingerprint
