"""Reporting checklists: where in a review each item finds its answer.

Short names of items are those of TRIPOD+AI (Collins et al., BMJ 2024;385:e078378, CC BY 4.0), BARG
(Kruschke, Nature Human Behaviour 2021;5:1282-1291) and ICH E9(R1); PROBAST+AI is referred to by
number alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from twinbayes.report.html import fragments as f

TRIPOD: Final = "TRIPOD+AI"
#: Checklist, item, its short name, sections that answer it; none where a review is not the place.
ITEMS: Final[tuple[tuple[str, str, str, tuple[int, ...]], ...]] = (
    (TRIPOD, "1", "title", (0,)),
    (TRIPOD, "2", "abstract", (0,)),
    (TRIPOD, "3", "background", (1,)),
    (TRIPOD, "4", "objectives", (1,)),
    (TRIPOD, "5", "data", (3,)),
    (TRIPOD, "6", "participants", (3,)),
    (TRIPOD, "7", "data preparation", (3,)),
    (TRIPOD, "8", "outcome", (4,)),
    (TRIPOD, "9", "predictors", (4,)),
    (TRIPOD, "10", "sample size", (3,)),
    (TRIPOD, "11", "missing data", (3, 5)),
    (TRIPOD, "12", "analytical methods", (5, 6, 7)),
    (TRIPOD, "13", "class imbalance", ()),
    (TRIPOD, "14", "fairness", (12,)),
    (TRIPOD, "15", "model output", (14,)),
    (TRIPOD, "16", "training versus evaluation", (11,)),
    (TRIPOD, "17", "ethical approval", (17,)),
    (TRIPOD, "18", "open science", (16,)),
    (TRIPOD, "19", "patient and public involvement", ()),
    (TRIPOD, "20", "participants (results)", (3,)),
    (TRIPOD, "21", "model development", (3, 9)),
    (TRIPOD, "22", "model specification", (5, 9)),
    (TRIPOD, "23", "model performance", (11, 12)),
    (TRIPOD, "24", "model updating", (18,)),
    (TRIPOD, "25", "interpretation", (0, 12)),
    (TRIPOD, "26", "limitations", (15,)),
    (TRIPOD, "27", "usability in the context of current care", (1, 14)),
    ("BARG", "1", "explain the model", (5, 6)),
    ("BARG", "2", "computation", (7,)),
    ("BARG", "3", "posterior distribution", (9,)),
    ("BARG", "4", "decisions and their criteria", (13,)),
    ("BARG", "5", "sensitivity", (10,)),
    ("BARG", "6", "reproducibility", (16,)),
    ("PROBAST+AI", "domain 1", "", (3,)),
    ("PROBAST+AI", "domain 2", "", (4,)),
    ("PROBAST+AI", "domain 3", "", (4,)),
    ("PROBAST+AI", "domain 4", "", (5, 7, 11)),
    ("ICH E9(R1)", "attribute", "treatment", (5, 9)),
    ("ICH E9(R1)", "attribute", "population", (3, 5)),
    ("ICH E9(R1)", "attribute", "variable", (4, 5)),
    ("ICH E9(R1)", "attribute", "intercurrent events", (5,)),
    ("ICH E9(R1)", "attribute", "population-level summary", (5, 9)),
)
_NOTE: Final = (
    "Short names of items: TRIPOD+AI by Collins et al., BMJ 2024;385:e078378, under CC BY 4.0; "
    "BARG by Kruschke, Nature Human Behaviour 2021;5:1282-1291. PROBAST+AI is by number. "
    "The status is that of the sections, not a judgement of how good the answer is."
)


def checklists(status: Mapping[int, str]) -> f.Block:
    """Return a table of all items with the sections that answer them.

    Parameters
    ----------
    status
        Number of a section → whether there is evidence in it, in words.
    """
    rows = pd.DataFrame(
        [
            {
                "checklist": name,
                "item": item,
                "about": about,
                "sections": ", ".join(map(str, sections)) or "outside this report",
                "evidence": _joint([status[k] for k in sections]),
            }
            for name, item, about, sections in ITEMS
        ]
    )
    return f.block(f.table(rows), f.paragraph(_NOTE, "note"))


def _joint(found: list[str]) -> str:
    """One word for several sections: all provided, none, or some."""
    if not found:
        return "NOT PROVIDED"
    return found[0] if len(set(found)) == 1 else "provided in part"
