"""Lines of a log of releases: what they hold, and what of them is signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from twinbayes.errors import ReleaseError
from twinbayes.hash_chain import canonical
from twinbayes.releases.people import Signatory, require_line, require_name

DRAFT: Final = "draft"
REVIEWED: Final = "reviewed"
RELEASED: Final = "released"
WITHDRAWN: Final = "withdrawn"
RELEASE_STATES: Final = (DRAFT, REVIEWED, RELEASED, WITHDRAWN)
"""States of a fit, in the order in which it passes them; it is withdrawn from any."""

MEANINGS: Final[Mapping[str, str]] = {
    DRAFT: "I put this fit forward for review.",
    REVIEWED: "I have reviewed this fit, and approve of its use for the stated reason.",
    RELEASED: "I release this fit for use.",
    WITHDRAWN: "I withdraw this fit: it is not to be used any more.",
}
"""What a signature says."""

MOST_WHY: Final = 2_000
_SIGNED: Final = b"twinbayes.release/1\n"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_FIELDS: Final = frozenset({
    "format", "record", "previous", "created", "kind", "state", "fit", "name", "role", "key",
    "why", "meaning", "signature", "hash",
})  # fmt: skip
KIND: Final = "release"


def signatory_of(record: Mapping[str, Any]) -> Signatory:
    """Who signed a line, as the line says."""
    return Signatory(record["name"], record["role"], record["key"])


def claim(record: Mapping[str, Any]) -> bytes:
    """What is signed of a line."""
    content = {k: v for k, v in record.items() if k not in ("signature", "hash")}
    return _SIGNED + canonical(content).encode()


def is_line(record: Mapping[str, Any]) -> bool:
    """Whether a record has the fields of a line, each of its form."""
    if set(record) != _FIELDS or record["kind"] != KIND or record["state"] not in MEANINGS:
        return False
    texts = _FIELDS - {"format", "record"}
    if not all(isinstance(record[name], str) for name in texts):
        return False
    forms = ((_DIGEST, "fit"), (_DIGEST, "key"), (_SIGNATURE, "signature"))
    try:
        for what in ("name", "role"):
            require_name(record[what], what)
        require_line(record["why"], "why", MOST_WHY)
        when = datetime.fromisoformat(record["created"])
    except (ReleaseError, ValueError):
        return False
    return (
        all(form.fullmatch(record[name]) for form, name in forms)
        and when.isoformat(timespec="seconds") == record["created"]
        and when.utcoffset() is not None
        and record["meaning"] == MEANINGS[record["state"]]
    )
