"""One file a source format, found in this folder: published files in, a validated cohort out.

A file declares its adapters, ``ADAPTERS: Final = {"pbc2": read_pbc2}``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from twinbayes.cohort.record import Cohort
from twinbayes.discovery import collect

#: Adapter by name; each takes the place of its files, or None for its own source.
ADAPTERS: Final[Mapping[str, Callable[[Path | None], Cohort]]] = MappingProxyType(
    collect(__name__, "ADAPTERS")
)
