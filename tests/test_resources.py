"""Shipped files are found in the package first, then in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinbayes import resources
from twinbayes.errors import OptionError, StorageError


def test_schemas_and_priors_are_found() -> None:
    assert (resources.schemas_dir() / "cohort" / "v1" / "events.json").is_file()
    assert resources.priors_dir().is_dir()


def test_the_package_goes_before_the_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package, repository = tmp_path / "package", tmp_path / "repository"
    (repository / "priors" / "aml").mkdir(parents=True)
    (package / "_priors").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    monkeypatch.setattr(resources, "_REPOSITORY", repository)
    assert resources.priors_dir() == package / "_priors"
    assert resources.resource_path("priors", "aml") == repository / "priors" / "aml"


def test_an_unknown_kind_and_a_missing_file_are_refused_with_a_remedy() -> None:
    with pytest.raises(OptionError, match="'schemas', 'diseases', 'priors', 'notebooks'"):
        resources.resource_path("models")
    with pytest.raises(StorageError, match="Reinstall twinbayes"):
        resources.resource_path("priors", "absent.yaml")


@pytest.mark.parametrize("name", ["../priors/aml/v1.yaml", "/etc/passwd", "a/../../README.md"])
def test_names_that_lead_out_of_their_folder_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="leads out of the folder"):
        resources.resource_path("notebooks", name)
