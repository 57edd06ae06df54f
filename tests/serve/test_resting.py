"""What an answer rests on: patients of the fit who are like this one, and who was treated how."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from served_pages import Text
from twinbayes.effects.support import NOBODY, PRIOR_DRIVEN, SUPPORTED, TOO_FEW
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.serve import Explorer
from twinbayes.serve.explorer.resting import similar_patients
from twinbayes.serve.language import language_of

ENDS = ("death", "last_contact")


def stays(fit: Fit, state: str) -> pd.DataFrame:
    """From the events alone: subgroup, first and last day in a state, last day known."""
    opened = {"induction": None, "remission": "complete_remission", "relapse": "relapse"}
    closed = {"induction": ("complete_remission",), "remission": ("relapse",), "relapse": ()}
    rows = []
    for who, mine in fit.cohort.events.groupby("patient_id"):
        days = {e: float(d) for e, d in zip(mine["event"], mine["day"], strict=True)}
        end = min(days[e] for e in ENDS if e in days)
        start = 0.0 if opened[state] is None else days.get(str(opened[state]), np.nan)
        stop = min([days[e] for e in closed[state] if e in days] or [end])
        rows.append((who, start, stop, end))
    table = pd.DataFrame(rows, columns=["patient_id", "start", "stop", "end"])
    return table.merge(fit.cohort.patients[["patient_id", "subgroup"]], on="patient_id")


def test_similar_patients_are_those_counted_by_hand(shared_explorer: Explorer) -> None:
    fit, seen = shared_explorer.fit, set()
    for row in shared_explorer.rows:
        if row.has_ended:
            continue
        table = stays(fit, row.state)
        table = table[table["subgroup"] == row.subgroup]
        counts = [len(table)]
        table = table[table["start"].notna()]
        counts.append(len(table))
        table = table[(table["start"] <= row.day) & (row.day <= table["stop"])]
        counts.append(len(table))
        for years in (1, 3, 5):
            table = table[table["end"] >= row.day + years * DAYS_PER_YEAR]
            counts.append(len(table))
        steps = similar_patients(fit.twin(row.patient_id))
        shown = [n for _, _, n in steps]
        assert all(n.isdigit() for n in shown[:-1])
        for k, n in enumerate(shown):
            seen.add(n)
            if n.isdigit():
                assert int(n) == counts[k]
            else:  # few, or few are not among them
                assert n == "<5" or counts[k - 1] - counts[k] in range(1, 5) or k == 0
            # Nobody finds a group of 1 to 4 by subtraction.
            if k and n.isdigit():
                assert counts[k - 1] - counts[k] not in range(1, 5)
                assert counts[k] not in range(1, 5)
    assert "<5" in seen


def test_a_comparison_says_first_who_was_treated_so(site, shared_explorer: Explorer) -> None:  # type: ignore[no-untyped-def]
    """Nobody comparable, the prior alone, too few events: before any other caution."""
    t = language_of("en")
    keys = {NOBODY: "support.nobody", PRIOR_DRIVEN: "support.prior", TOO_FEW: "support.few"}
    found = set()
    for row in shared_explorer.rows:
        twin = shared_explorer.fit.twin(row.patient_id)
        if row.has_ended or not shared_explorer.treatments(twin):
            continue
        name = shared_explorer.treatments(twin)[0]
        compared = shared_explorer.comparison(shared_explorer.outlook(row.pseudonym), name, 30.0)
        found.add(compared.support)
        starts = shared_explorer.fit.cohort.treatments
        assert starts is not None
        table = stays(shared_explorer.fit, row.state)
        table = table[(table["subgroup"] == row.subgroup) & table["start"].notna()]
        first = starts[starts["treatment"] == name].set_index("patient_id")["start_day"]
        begun = table["patient_id"].map(first).astype(float)
        treated = (begun >= table["start"]) & (begun <= table["stop"]) & (begun >= row.day)
        assert compared.arms is not None
        assert compared.arms[0] == int(treated.sum())
        if len(found) > 2:
            break
        page = site.get(f"/patients/{row.pseudonym}/what-if?treatment={name}&wait=30").text
        cautions = page.split('class="cautions"')[1].split("</section>")[0] if (
            'class="cautions"' in page) else ""  # fmt: skip
        if compared.support == SUPPORTED:
            assert not [k for k in keys.values() if t(k)[:30] in cautions]
        else:
            first_said = Text(cautions.split("<li>")[1]).text[0]
            assert first_said.startswith(t(keys[compared.support]))
            assert page.index('class="cautions"') < page.index("<svg")
    assert NOBODY in found


def test_what_comparisons_share_is_prepared(shared_explorer: Explorer) -> None:
    shared_explorer.prepare()
    seen = shared_explorer.fit.twin(shared_explorer.rows[0].patient_id).seen
    assert seen is not None
    assert seen._under_priors
    assert pytest.approx(1000) == next(iter(seen._under_priors))
