"""Reviews packed as RO-Crates: readable, whole, the same each time, and without patients."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

import twinbayes as tb
from twinbayes.errors import ReleaseError, StorageError, TwinbayesError
from twinbayes.inference import Fit
from twinbayes.releases import write_crate
from twinbayes.releases.crate import CRATE_FILE as FILE
from twinbayes.releases.crate import TIME_FIELDS

STORED = Path(__file__).parents[1] / "data" / "registry_fit.nc"


@pytest.fixture(scope="module")
def fit() -> Fit:
    found = tb.load_fit(STORED)
    assert isinstance(found, Fit)
    return found


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text("<html><body>a review</body></html>")
    return path


@pytest.fixture
def context(tmp_path: Path) -> Path:
    path = tmp_path / "said.yaml"
    path.write_text("question: Who relapses?\n")
    return path


def graph(folder: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((folder / "ro-crate-metadata.json").read_text("utf-8"))
    assert found["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = found["@graph"]
    assert len({one["@id"] for one in entities}) == len(entities)
    return {one["@id"]: one for one in entities}


def links(value: Any) -> list[str]:
    """Every place that parts of an entity lead to."""
    if isinstance(value, dict):
        own = [value["@id"]] if set(value) == {"@id"} else []
        return own + [link for part in value.values() for link in links(part)]
    return [link for part in value for link in links(part)] if isinstance(value, list) else []


def test_a_crate_is_what_the_specification_asks_for(
    tmp_path: Path, fit: Fit, page: Path, context: Path
) -> None:
    folder = tmp_path / "crate"
    write_crate(folder, page, STORED, fit.manifest, context=context)
    found = graph(folder)
    about, crate = found["ro-crate-metadata.json"], found["./"]
    assert about["@type"] == "CreativeWork"
    assert about["about"] == {"@id": "./"}
    assert about["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert crate["@type"] == "Dataset"
    assert {"name", "description", "datePublished", "license"} <= set(crate)
    files = {p.name for p in folder.iterdir()} - {"ro-crate-metadata.json"}
    assert files == {"review.html", "context.yaml", "sbom.json"}
    assert {part["@id"] for part in crate["hasPart"]} == files
    for name in files:
        content = (folder / name).read_bytes()
        assert found[name]["@type"] == "File"
        assert found[name]["identifier"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert found[name]["contentSize"] == str(len(content))
    elsewhere = {"https://w3id.org/ro/crate/1.1"}
    assert all("@type" in one and ("name" in one or one is about) for one in found.values())
    reached = {link for one in found.values() for link in links(list(one.values()))}
    assert reached - elsewhere == set(found) - {"ro-crate-metadata.json"}


def test_a_crate_says_by_hashes_what_the_review_rests_on(
    tmp_path: Path, fit: Fit, page: Path, context: Path
) -> None:
    write_crate(tmp_path / "crate", page, STORED, fit.manifest, context=context)
    found = graph(tmp_path / "crate")
    assert (
        found["#fit"]["identifier"] == f"sha256:{hashlib.sha256(STORED.read_bytes()).hexdigest()}"
    )
    for key in ("spec_hash", "prior_hash", "cohort_fingerprint"):
        assert found[f"#{key}"]["value"] == fit.manifest[key]
    review = found["#reviewing"]
    assert review["@type"] == "CreateAction"
    assert review["object"] == [{"@id": "#fit"}, {"@id": "context.yaml"}]
    assert review["result"] == {"@id": "review.html"}
    assert found[review["instrument"]["@id"]]["softwareVersion"] == tb.__version__
    assert found["#fitting"]["endTime"] == fit.manifest["created"]


def test_another_library_reads_a_crate(tmp_path: Path, fit: Fit, page: Path) -> None:
    write_crate(tmp_path / "crate", page, STORED, fit.manifest, licence="https://example.org/l")
    crate = ROCrate(tmp_path / "crate")
    assert {one.id for one in crate.data_entities} == {"review.html", "sbom.json"}
    assert crate.license.id == "https://example.org/l"
    [action] = [one for one in crate.get_by_type("CreateAction") if one.id == "#reviewing"]
    assert action["result"].id == "review.html"


def test_a_crate_names_no_patient(tmp_path: Path, fit: Fit, page: Path) -> None:
    write_crate(tmp_path / "crate", page, STORED, fit.manifest)
    text = "".join(p.read_text("utf-8") for p in (tmp_path / "crate").iterdir())
    assert not [one for one in fit.cohort.patient_ids if str(one) in text]
    assert str(STORED.parent) not in text


def test_two_crates_are_the_same_but_for_times_and_wholly_where_a_time_is_declared(
    tmp_path: Path, fit: Fit, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(name: str) -> dict[str, bytes]:
        write_crate(tmp_path / name, page, STORED, fit.manifest)
        return {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}

    def timeless(name: str) -> Any:
        return [
            {k: v for k, v in one.items() if k not in TIME_FIELDS}
            for one in graph(tmp_path / name).values()
        ]

    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert {**written("one"), FILE: b""} == {**written("other"), FILE: b""}
    assert timeless("one") == timeless("other")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert written("two") == written("three")
    entities = graph(tmp_path / "two").values()
    times = {v for one in entities for k, v in one.items() if k in TIME_FIELDS}
    assert times == {"2023-11-14T22:13:20+00:00", fit.manifest["created"]}


def test_a_crate_is_written_over_nothing_and_appears_whole_or_not_at_all(
    tmp_path: Path, fit: Fit, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    write_crate(there, page, STORED, fit.manifest)
    shutil.copytree(there, tmp_path / "before")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for bad in (there, page, tmp_path / "link", page / "below", "a\0", 3):
        with pytest.raises(TwinbayesError):
            write_crate(bad, page, STORED, fit.manifest)  # type: ignore[arg-type]
    with pytest.raises(ReleaseError, match="The review, none"):
        write_crate(tmp_path / "new", tmp_path / "none", STORED, fit.manifest)
    with pytest.raises(ReleaseError, match="licence"):
        write_crate(tmp_path / "new", page, STORED, fit.manifest, licence="a\nb")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("twinbayes.releases.crate.os.rename", full)
    with pytest.raises(StorageError, match="No space left"):
        write_crate(tmp_path / "new", page, STORED, fit.manifest)
    assert not [p for p in tmp_path.iterdir() if p.name == "new" or p.name.endswith(".tmp")]
