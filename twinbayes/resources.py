"""Where the files shipped beside the code are: schemas, diseases, priors, queries, the lock.

A wheel carries them inside the package (`twinbayes/_data_schemas` …); a working copy
keeps them at the top of the repository, where they are read by people too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from twinbayes.errors import OptionError, StorageError, require_known

_PACKAGE: Final = Path(__file__).resolve().parent
_REPOSITORY: Final = _PACKAGE.parent
# kind -> (folder inside an installed package, folder inside the repository)
_PLACES: Final = {
    "schemas": ("_data_schemas", "data_schemas"),
    "diseases": ("_diseases", "diseases"),
    "priors": ("_priors", "priors"),
    "notebooks": ("_notebooks", "notebooks/review"),
    "queries": ("_queries", "queries"),
    "lock": ("_requirements.lock", "requirements.lock"),
}


def resource_path(kind: str, *parts: str) -> Path:
    """Path of a shipped file or folder, in the installed package or in the repository.

    Parameters
    ----------
    kind
        One of ``"schemas"``, ``"diseases"``, ``"priors"``, ``"notebooks"``, ``"queries"``,
        ``"lock"``, which is a file.
    *parts
        Names below that folder, e.g. ``resource_path("priors", "aml", "v1.yaml")``.

    Raises
    ------
    OptionError
        If `kind` is unknown, or the names lead out of the folder.
    StorageError
        If neither place has it, or the names lead out of the folder.
    """
    packaged, in_repository = _PLACES[require_known(kind, _PLACES, "kind of resource")]
    for root in (_PACKAGE / packaged, _REPOSITORY / in_repository):
        path = root.joinpath(*parts)
        if not Path(os.path.normpath(path)).is_relative_to(root) or "\0" in str(path):
            raise OptionError(
                f"{'/'.join(parts)!r} leads out of the folder of shipped {kind}. Give the plain "
                "name of a file in it."
            )
        if path.exists():
            return path
    wanted = "/".join((in_repository, *parts))
    raise StorageError(
        f"The shipped file or folder {wanted!r} is missing. Reinstall twinbayes, "
        "or run from a complete copy of the repository."
    )


def schemas_dir() -> Path:
    """Folder of the Frictionless table schemas."""
    return resource_path("schemas")


def priors_dir() -> Path:
    """Folder of the prior library."""
    return resource_path("priors")


def disease_files() -> dict[str, Path]:
    """Name of each disease that is shipped as a file -> the file."""
    return {path.stem: path for path in sorted(resource_path("diseases").glob("*.yaml"))}


def notebooks_dir() -> Path:
    """Folder of the report templates."""
    return resource_path("notebooks")
