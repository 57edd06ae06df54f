"""What the help lists, from the files that declare it and without importing them."""

from __future__ import annotations

from collections.abc import Sequence

from twinbayes.discovery import declared_names
from twinbayes.resources import disease_files


def known_diseases() -> str:
    """Return the names of the diseases as a phrase, and that a file will do."""
    names = {*declared_names("twinbayes.diseases", "DISEASES"), *disease_files()}
    return f"{', '.join(sorted(names))}, or a YAML file of your own"


def known_adapters() -> str:
    """Return the names of the adapters as a phrase."""
    return _either(declared_names("twinbayes.cohort.adapters", "ADAPTERS"))


def _either(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
