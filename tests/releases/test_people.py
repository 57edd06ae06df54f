"""Who may sign: names that are one person's, and files that say whose signatures count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from twinbayes.errors import ReleaseError, TwinbayesError
from twinbayes.releases import Signatory, Trusted, read_trusted, release_state


@pytest.mark.requirement("R-071")
def test_two_people_are_not_one_with_another_spelling() -> None:
    one, other = ("ab" * 32, "cd" * 32)
    first = Signatory("Anna Conti", "reviewer", one)
    for name in ("anna conti", "Аnna Соnti", "Conti, Anna", "Änna Conti", "Anna  Conti",
                 "Ａｎｎａ Conti", "Anna-Conti", "Anna Contі"):  # fmt: skip
        with pytest.raises(ReleaseError, match="would be one person"):
            Trusted((first, Signatory(name, "reviewer", other)))
    with pytest.raises(ReleaseError, match="would be one person"):
        Trusted((first, Signatory("Anna Conti", "head", other)))
    with pytest.raises(ReleaseError, match="stands there twice"):
        Trusted((first, Signatory("Otto Weiss", "head", one)))
    Trusted((first, Signatory("Anna Conti", "reviewer", other)))
    Trusted((first, Signatory("Anna Maria Conti", "head", other)))


@pytest.mark.parametrize(
    "name", ["", " ", "Ann\nAuthor", "Ann\0", "Ann\u200bAuthor", "\u202eAnn", "A" * 101, "Аnn", 3,
             "Bo\u0308hm", None, ["Ann"]],
)  # fmt: skip
def test_names_that_cannot_be_read_are_refused(tmp_path: Path, name: Any) -> None:
    path = tmp_path / "people.yaml"
    people = [{"name": name, "role": "author", "key": "ab" * 32}]
    path.write_text(json.dumps({"format": "twinbayes.trusted/1", "people": people}))
    with pytest.raises(ReleaseError, match=r"people\.yaml"):
        read_trusted(path)


@pytest.mark.parametrize(
    "content",
    [
        {}, {"format": "twinbayes.trusted/1"}, {"format": "twinbayes.trusted/2", "people": []},
        {"format": "twinbayes.trusted/1", "people": []},
        {"format": "twinbayes.trusted/1", "people": ["Ann"]},
        {"format": "twinbayes.trusted/1", "people": {"name": "Ann"}},
        {"format": "twinbayes.trusted/1", "people": [{"name": "Ann", "role": "a"}]},
        {"format": "twinbayes.trusted/1", "people": [{"name": "Ann", "role": "a", "key": "ab"}]},
        {"format": "twinbayes.trusted/1", "people": [{"name": "Ann", "role": "a", "key": 12}]},
    ],
)  # fmt: skip
def test_files_that_name_nobody_are_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(json.dumps(content))
    with pytest.raises(ReleaseError, match=r"people\.yaml"):
        read_trusted(path)


def test_a_person_may_have_two_keys() -> None:
    one, two = (Signatory("Reviewer Böhm", "reviewer", key * 32) for key in ("ab", "cd"))
    trusted = Trusted((one, two))
    assert trusted.of_key("cd" * 32).is_same_person(trusted.of_key("ab" * 32))


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    fit = tmp_path / "aml.nc"
    fit.write_bytes(b"a fit")
    for bad in (None, 3, "", "a\0b", fit.parent, fit / "below"):
        with pytest.raises(TwinbayesError):
            release_state(bad)  # type: ignore[arg-type]
    with pytest.raises(ReleaseError, match="there is no log here"):
        release_state(fit, log=fit.with_name("none"))
    with pytest.raises(ReleaseError, match="there is no log here"):
        release_state(fit, head="0" * 64)
