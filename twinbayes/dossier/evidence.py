"""Evidence files of a dossier: what kinds there are, how each is read, and what it says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinbayes.dossier.readers import KINDS, Answers
from twinbayes.errors import OptionError, StorageError, TwinbayesError, require_known
from twinbayes.inference import Fit
from twinbayes.paths import path_of, require_ordinary

_LARGEST: Final = 1 << 28  # bytes


@dataclass(frozen=True)
class Artefact:
    """A file that answers rows of a dossier.

    Attributes
    ----------
    kind
        What it is evidence of, one of `KINDS`.
    file
        Its name, without its place.
    sha256, size
        Of its bytes.
    content
        The bytes, where the dossier holds a copy.
    answers
        By name of a fact, labels and values.
    """

    kind: str
    file: str
    sha256: str
    size: int
    content: bytes | None
    answers: Answers

    def record(self) -> dict[str, object]:
        """The artefact as plain data."""
        copied = None if self.content is None else f"evidence/{self.kind}{Path(self.file).suffix}"
        return {"file": self.file, "sha256": self.sha256, "bytes": self.size, "copy": copied}


def read_evidence(
    given: Mapping[str, str | os.PathLike[str]] | None,
    fit: Fit,
    names: Mapping[str, str] | None = None,
) -> dict[str, Artefact]:
    """Read evidence files, each by its kind.

    Parameters
    ----------
    given
        Kind → file.
    fit
        What they are evidence of; what is of another fit is refused.
    names
        Kind → what its file was called, where it is read from a copy.

    Raises
    ------
    OptionError
        A kind is not known.
    StorageError
        A file is not there, or is none of its kind: all of them at once.
    """
    found, faults = {}, []
    for kind, place in sorted((given or {}).items()):
        require_known(kind, KINDS, "kind of evidence")
        try:
            path = path_of(place, StorageError, f"Evidence {kind!r}")
            found[kind] = _read(kind, path, fit, (names or {}).get(kind, path.name))
        except OSError as error:
            if isinstance(error, StorageError):
                faults.append(f"{kind}: {error}")
            else:
                faults.append(
                    f"{kind}: {Path(place).name}: {error.strerror or error}. Give its path."
                )
        except TwinbayesError as error:
            faults.append(f"{kind}: {error}")
    if faults:
        head = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise StorageError("\n".join((f"Evidence: {head}.", *(f"  {fault}" for fault in faults))))
    return found


def sha256_of(path: Path) -> tuple[str, int]:
    """SHA-256 and size of an ordinary file.

    Raises
    ------
    OSError
        There is none, or it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with require_ordinary(path).open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def evidence_pairs(given: list[str] | None) -> dict[str, str]:
    """Kind → file, from texts ``KIND=FILE``.

    Raises
    ------
    OptionError
        A text is none of these, or a kind stands twice or is not known.
    """
    found: dict[str, str] = {}
    for text in given or ():
        kind, equals, place = text.partition("=")
        if not equals or not place:
            raise OptionError(
                f"--evidence {text[:40]!r} is not KIND=FILE. Kinds: {', '.join(KINDS)}."
            )
        require_known(kind, KINDS, "kind of evidence")
        if kind in found:
            raise OptionError(f"--evidence {kind} is given twice. Give one file of each kind.")
        found[kind] = place
    return found


def _read(kind: str, path: Path, fit: Fit, name: str) -> Artefact:
    before, size = sha256_of(path)
    if size > _LARGEST:
        raise StorageError(f"{path.name}: larger than {_LARGEST >> 20} MiB. Give a smaller file.")
    how = KINDS[kind]
    answers = how.read(path, fit)
    content = path.read_bytes() if how.copied else None
    if sha256_of(path)[0] != before or (content and hashlib.sha256(content).hexdigest() != before):
        raise StorageError(f"{path.name}: changed while it was read. Give it again.")
    return Artefact(kind, name, before, size, content, answers)
