"""Verification: every change that nobody hashed anew is found, and what it takes for the others."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chance import drawn_seed
from twinbayes.dossier import Dossier, verify_dossier, write_dossier
from twinbayes.dossier.folder import head_of, manifest_text
from twinbayes.errors import OptionError, StorageError
from twinbayes.hash_chain import canonical
from twinbayes.inference import Fit

SEED = drawn_seed(__name__)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def written(
    fit: Fit,
    said: dict[str, object],
    evidence: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Dossier:
    place = tmp_path_factory.mktemp("written") / "dossier"
    return write_dossier(fit, place, context=said, evidence=evidence)


@pytest.fixture
def folder(written: Dossier, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(written.folder, tmp_path / "dossier"))


def hash_anew(folder: Path) -> None:
    """Do what somebody would who changes a dossier and knows how it is made."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["head"] = head_of(manifest)
    path.write_text(manifest_text(manifest))


def test_a_dossier_as_it_was_written_is_verified_with_and_without_the_fit(
    written: Dossier, fit: Fit, said: dict[str, object], evidence: dict[str, Path]
) -> None:
    alone = verify_dossier(written.folder)
    assert alone.verified
    assert "hash it anew" in alone.unseen[0]
    whole = verify_dossier(
        written.folder, fit=fit, context=said, evidence=evidence, head=written.head
    )
    assert whole.problems == ()
    assert whole.unseen == ()
    partly = verify_dossier(written.folder, fit=fit)
    assert partly.verified
    assert any("Give --evidence checks=FILE" in line for line in partly.unseen)


@pytest.mark.requirement("R-056")
def test_every_drawn_flip_of_a_byte_is_found(folder: Path) -> None:
    rng = np.random.default_rng(SEED)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    sizes = np.array([p.stat().st_size for p in files])
    assert verify_dossier(folder).verified
    by_size = rng.choice(len(files), 60, p=sizes / sizes.sum())
    for k in (*by_size, *rng.integers(0, len(files), 60)):  # of large files, and of all alike
        whole = files[k].read_bytes()
        at, bit = int(rng.integers(len(whole))), int(rng.integers(8))
        files[k].write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        assert not verify_dossier(folder).verified, (files[k].name, at, bit)
        files[k].write_bytes(whole)
    assert verify_dossier(folder).verified


@pytest.mark.requirement("R-056")
@pytest.mark.parametrize("name", ["dossier.html", "rows.json"])
def test_a_folder_that_was_hashed_anew_is_found_by_the_fit_or_by_the_head(
    folder: Path,
    name: str,
    written: Dossier,
    fit: Fit,
    rewrite: Callable[[Path, str, str], None],
) -> None:
    old = "patients: 16" if name.endswith("html") else '"patients": "16"'
    rewrite(folder / name, old, old.replace("16", "61"))
    changed = verify_dossier(folder)
    assert any(name in line for line in changed.problems)
    hash_anew(folder)
    # The page no longer shows what the rows say, whoever hashed it.
    assert any("does not show what" in line for line in verify_dossier(folder).problems)
    assert not verify_dossier(folder, fit=fit).verified
    assert not verify_dossier(folder, head=written.head).verified


def test_both_changed_alike_and_hashed_anew_are_found_by_the_fit_or_the_head_and_not_without(
    folder: Path, written: Dossier, fit: Fit, rewrite: Callable[[Path, str, str], None]
) -> None:
    from twinbayes.dossier.page import render_dossier

    rewrite(folder / "rows.json", '"patients": "16"', '"patients": "61"')
    rows = json.loads((folder / "rows.json").read_text("utf-8"))
    (folder / "dossier.html").write_text(render_dossier(rows), encoding="utf-8")
    hash_anew(folder)
    alone = verify_dossier(folder)
    assert alone.verified  # what no hash within a folder can tell, and it says so
    assert "hash it anew" in alone.unseen[0]
    assert verify_dossier(folder, fit=fit).problems[0].startswith("tripod_ai, item")
    assert not verify_dossier(folder, head=written.head).verified


def test_words_of_people_are_held_against_what_they_gave_or_the_head(
    folder: Path,
    written: Dossier,
    fit: Fit,
    said: dict[str, object],
    rewrite: Callable[[Path, str, str], None],
) -> None:
    rewrite(folder / "context.json", "What is said of Funding", "Nothing is said of Funding")
    hash_anew(folder)
    assert any("context.json" in line for line in verify_dossier(folder).problems)
    shutil.rmtree(folder)
    shutil.copytree(written.folder, folder)
    other = verify_dossier(folder, fit=fit, context={**said, "funding": "Another."})
    assert "tripod_ai, item 18a: is not what is computed again." in other.problems


def test_extra_missing_linked_and_odd_entries_are_told(folder: Path) -> None:
    (folder / "note.txt").write_text("a note", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "evidence" / "more.json").write_text("{}", encoding="utf-8")
    page = folder / "dossier.html"
    page.rename(folder.parent / "elsewhere.html")
    page.symlink_to(folder.parent / "elsewhere.html")
    (folder / "context.json").unlink()
    os.mkfifo(folder / "pipe")
    told = "\n".join(verify_dossier(folder).problems)
    for line in (
        "'note.txt': not of this dossier", "'empty': not of", "'evidence/more.json': not of",
        "dossier.html: altered, or no ordinary file", "context.json: missing", "'pipe': not of",
    ):  # fmt: skip
        assert line in told


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"format": "twinbayes.dossier/1"}', "{" * 3000, "\xff", "\0"],
)
def test_a_manifest_that_is_none_is_told(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    found = verify_dossier(folder)
    assert found.problems[0].startswith("manifest.json: missing, altered")
    assert found.head == ""
    (folder / "manifest.json").unlink()
    assert not verify_dossier(folder).verified


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.clear(),
        lambda rows: rows.update(artefacts=[]),
        lambda rows: rows["artefacts"]["lock"].update(copy="../../../etc/passwd"),
        lambda rows: rows["artefacts"]["lock"].update(copy=7),
        lambda rows: rows["artefacts"].update(unknown={"file": "x", "sha256": "", "bytes": 1,
                                                       "copy": "/etc/passwd"}),
        lambda rows: rows["tables"].pop(),
        lambda rows: rows["tables"][0]["rows"].pop(),
        lambda rows: rows["tables"][0]["rows"][0].update(values=None),
        lambda rows: rows["tables"][0]["rows"][0].pop("said"),
        lambda rows: rows.update(fit=None),
        lambda rows: rows["fit"].update(usable="yes"),
        lambda rows: rows.update(twinbayes="0.0.0"),
        lambda rows: rows.update(tables=[["x"]]),
        lambda rows: rows.update(note="approved"),
        lambda rows: rows["tables"][0].update(title=["Approved", "Approvato"]),
        lambda rows: rows["artefacts"]["lock"].update(file="another.lock"),
        lambda rows: rows["tables"][0]["rows"][0].update(source="checks", values={"a": "b"}),
    ],
)  # fmt: skip
def test_rows_of_any_form_that_were_hashed_anew_raise_nothing(
    folder: Path, fit: Fit, change: Callable[[dict[str, object]], None]
) -> None:
    rows = json.loads((folder / "rows.json").read_text("utf-8"))
    change(rows)
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    hash_anew(folder)
    assert not verify_dossier(folder, fit=fit).verified


def test_another_fit_another_file_and_another_head_are_told(
    folder: Path, fit: Fit, evidence: dict[str, Path], tmp_path: Path
) -> None:
    other = replace(fit, manifest={**fit.manifest, "created": "2020-01-01T00:00:00+00:00"})
    told = verify_dossier(folder, fit=other).problems
    assert any("fit is not that of the fit" in line for line in told)
    wrong = verify_dossier(folder, evidence={"protocol": evidence["plan"]})
    assert wrong.problems == ("protocol: plan.pdf is not the file that the dossier is from.",)
    assert verify_dossier(folder, evidence={"protocol": evidence["protocol"]}).verified
    with pytest.raises(OptionError, match="a fit of patients"):
        verify_dossier(folder, fit=7)  # type: ignore[arg-type]
    with pytest.raises(StorageError):
        verify_dossier(folder, fit=tmp_path / "gone.nc")
    assert not verify_dossier(folder, evidence={"protocol": tmp_path / "none"}).verified
    assert "another dossier" in verify_dossier(folder, head="0" * 64).problems[0]
    with pytest.raises(OptionError, match="kind of evidence"):
        verify_dossier(folder, evidence={"nothing": "x"})


def test_rows_of_files_that_are_not_at_hand_are_told_and_no_others(
    fit: Fit, evidence: dict[str, Path], tmp_path: Path
) -> None:
    few = {"checks": evidence["checks"], "trace": ROOT / "docs" / "trace" / "matrix.json"}
    folder = write_dossier(fit, tmp_path / "d", evidence=few).folder
    # A matrix without results says nothing of them: that row is not provided, and told alike.
    found = verify_dossier(folder, fit=fit)
    assert found.problems == ()
    assert found.unseen == (
        "checks: its rows were not computed again. Give --evidence checks=FILE.",
    )


def test_what_another_version_wrote_is_told_not_to_be_drawn_again(
    folder: Path, rewrite: Callable[[Path, str, str], None]
) -> None:
    drawn = json.loads((folder / "rows.json").read_text("utf-8"))["drawn_by"]
    rewrite(folder / "rows.json", drawn, "0" * 64)
    hash_anew(folder)
    found = verify_dossier(folder)
    assert found.problems == ()
    assert any("of another version wrote it" in line for line in found.unseen)


def test_what_is_no_folder_of_a_dossier_is_refused(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    for place in (link, folder / "rows.json", tmp_path / "none", ""):
        with pytest.raises(StorageError, match="no folder, or a link"):
            verify_dossier(place)
    (tmp_path / "bare").mkdir()
    assert not verify_dossier(tmp_path / "bare").verified
    assert canonical({}) == "{}"
