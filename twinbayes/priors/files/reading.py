"""Prior files as plain data, and how messages name them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twinbayes.documents import read_yaml
from twinbayes.errors import PriorError

_OF_DISEASES: Final = "twinbayes/disease/"
_SHOWN: Final = 40  # characters of a value that a message repeats


def parse(path: Path) -> Mapping[Any, Any]:
    """Read a YAML file strictly; see `documents.read_yaml`."""
    found = read_yaml(path, PriorError, shown(path))
    if str(found.get("schema", "")).startswith(_OF_DISEASES):
        raise PriorError(
            f"{shown(path)}: this is a disease file. Check it, priors and all, with `twinbayes "
            "disease check`; `twinbayes disease show` lists its priors."
        )
    return found


def require_file(path: Path) -> None:
    """Refuse a path that is not that of a plain file.

    Raises
    ------
    PriorError
        There is nothing, a folder, or something that can be read without end.
    """
    if os.path.isdir(path):
        raise PriorError(f"{path.name[:_SHOWN]!r} is a folder. Give the path of a prior file.")
    if not os.path.isfile(path):
        raise PriorError(f"There is no prior file {path.name[:_SHOWN]!r} at the path given.")


def shown(path: Path) -> str:
    """Name a file in messages by its folder and itself."""
    return f"{path.parent.name}/{path.name}".removeprefix("/")
