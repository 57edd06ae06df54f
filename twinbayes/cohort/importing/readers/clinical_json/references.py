"""References between resources: which resource is meant, and whether all are of one server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import Problem

_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_URN: Final = re.compile(r"urn:(?:uuid|oid):([A-Za-z0-9.\-]{1,64})")
_LONGEST: Final = 2_000
CONTAINED: Final = Problem("reference-kind", "the reference leads into the resource itself")
CONDITIONAL: Final = Problem("reference-kind", "the reference is a search, not a resource")
MALFORMED: Final = Problem("reference-kind", "the reference names no resource")
OTHER_SERVER: Final = Problem("reference-server", "references of the source name several servers")


class References:
    """What references of a source mean.

    Attributes
    ----------
    of_bundle
        ``fullUrl`` -> type and identifier of the resource, in the bundle that is being read.
    """

    def __init__(self) -> None:
        self.of_bundle: Mapping[str, tuple[str, str]] = {}
        self._server: str | None = None

    def key_of(self, reference: Any, wanted: str | None) -> str | Problem | None:
        """Identifier of the resource that a Reference means.

        Parameters
        ----------
        reference
            The Reference of FHIR.
        wanted
            Type of resource, or None for any.

        Returns
        -------
        str | Problem | None
            None where it means a resource of another type, or says no resource at all.
        """
        if not isinstance(reference, dict):
            return MALFORMED
        text = reference.get("reference")
        if text is None:
            return None
        if not isinstance(text, str) or len(text) > _LONGEST:
            return MALFORMED
        if (known := self.of_bundle.get(text)) is not None:
            return known[1] if wanted in (None, known[0]) else None
        if text.startswith("#"):
            return CONTAINED
        if "?" in text:
            return CONDITIONAL
        if (urn := _URN.fullmatch(text)) is not None:
            return urn[1] if wanted in (None, reference.get("type", wanted)) else None
        return self._of_path(text, wanted)

    def _of_path(self, text: str, wanted: str | None) -> str | Problem | None:
        parts = text.split("/")
        if len(parts) >= 4 and parts[-2] == "_history":
            parts = parts[:-2]
        if len(parts) < 2 or not _ID.fullmatch(parts[-1]) or not parts[-2].isalpha():
            return MALFORMED
        if wanted not in (None, parts[-2]):
            return None
        if len(parts) > 2:
            server = "/".join(parts[:-2])
            if self._server not in (None, server):
                return OTHER_SERVER
            self._server = server
        return parts[-1]


def urn_key(url: object) -> str | None:
    """Identifier that a ``fullUrl`` gives to a resource that has none of its own."""
    found = _URN.fullmatch(url) if isinstance(url, str) and len(url) <= _LONGEST else None
    return None if found is None else found[1]


def is_id(text: object) -> bool:
    """Whether a value is an identifier of a resource."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None
