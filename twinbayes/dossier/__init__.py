"""Dossiers: what guidance and law ask of a fit, row by row, each with where it is from."""

from twinbayes.dossier.folder import Dossier, write_dossier
from twinbayes.dossier.rows import Row
from twinbayes.dossier.tables import Item, Table, dossier_tables
from twinbayes.dossier.verifying import Verification, verify_dossier

__all__ = [
    "Dossier",
    "Item",
    "Row",
    "Table",
    "Verification",
    "dossier_tables",
    "verify_dossier",
    "write_dossier",
]
