"""Facts of a fit, by name: each computed from it, small counts hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twinbayes.dossier.facts.computation import COMPUTATION
from twinbayes.dossier.facts.data import DATA
from twinbayes.dossier.facts.fact import Fact
from twinbayes.dossier.facts.model import MODEL

FACTS: Final[Mapping[str, Fact]] = {**DATA, **MODEL, **COMPUTATION}
"""Name of a fact, as the tables have it, and what it is."""

__all__ = ["FACTS", "Fact"]
