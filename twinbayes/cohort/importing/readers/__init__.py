"""One file a source format, found in this folder: files in, tables of raw cells out.

A file declares its readers, ``READERS: Final = {"csv": Reader(...)}``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from twinbayes.cohort.importing.source import Reader
from twinbayes.discovery import collect

#: Reader by name.
READERS: Final[Mapping[str, Reader]] = MappingProxyType(collect(__name__, "READERS"))
