"""The patients of one fit behind pseudonyms: who they are, what is foreseen of them."""

from twinbayes.serve.explorer.explorer import INTERVAL, LONGEST_WAIT, Explorer
from twinbayes.serve.explorer.outlook import Comparison, Outlook, PatientRow

__all__ = ["INTERVAL", "LONGEST_WAIT", "Comparison", "Explorer", "Outlook", "PatientRow"]
