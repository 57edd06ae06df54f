"""What is known of a source before there is a mapping of it, and what is met while it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from twinbayes.cohort.importing.mapping.description import Encoding

ENCODINGS: Final[tuple[str, ...]] = get_args(Encoding.__value__)
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")  # with which UTF-16 begins, whatever is declared
#: Encodings that are tried, from the one that reads least by chance to the one that reads anything.
_TRIED: Final = ("ascii", "utf-8", "cp1252", "latin-1")
_ANY: Final = "ascii"  # of which every encoding reads the same


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmapped:
    """A source without a mapping.

    Attributes
    ----------
    encoding
        Of its text files, where it is given; else what each of them looks like.
    met
        Text file -> the encoding that it was read in; ``ascii`` fits all.
    """

    encoding: str | None = None
    met: dict[str, str] = field(default_factory=dict)

    def encoding_of(self, name: str, content: bytes) -> str:
        """The encoding of a text file, which is noted: as given, or the first that reads it."""
        found = self.encoding or next(e for e in _TRIED if _reads(content, e))
        self.met[name] = found
        return found

    def needed(self) -> Mapping[str, str]:
        """Text file -> its encoding, of those that not every encoding reads the same."""
        return {name: found for name, found in self.met.items() if found != _ANY}


def marked(content: bytes) -> bool:
    """Whether text begins as UTF-16, so that it says its encoding itself."""
    return content[:2] in _MARKS


def _reads(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
