"""Releases: who stands for a fit in use, what the software is made of, and reviews packed."""

from __future__ import annotations

from twinbayes.releases.crate import write_crate
from twinbayes.releases.lines import RELEASE_STATES
from twinbayes.releases.log import ReleaseLog, release_log_of
from twinbayes.releases.people import Signatory, Trusted, read_trusted
from twinbayes.releases.sbom import sbom, write_sbom
from twinbayes.releases.state import ReleaseState, release_state, require_in_use

__all__ = [
    "RELEASE_STATES",
    "ReleaseLog",
    "ReleaseState",
    "Signatory",
    "Trusted",
    "read_trusted",
    "release_log_of",
    "release_state",
    "require_in_use",
    "sbom",
    "write_crate",
    "write_sbom",
]
