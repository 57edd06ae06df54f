"""All that a review prints, taken together, gives away no count that any part of it hides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from chance import drawn_seed
from disclosure import FEW, Attacker, table_with, tables_of
from twinbayes.checks.borrowing.hazard_ratios import treatment_effects
from twinbayes.checks.borrowing.shares import treatment_borrowing
from twinbayes.checks.borrowing.shrinkage import shrinkage_of
from twinbayes.checks.result import BORROWING, SHRINKAGE
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.report.figures.look import look_of, words
from twinbayes.report.reviewer import checks as check_sections
from twinbayes.report.reviewer import fit as fit_sections
from twinbayes.report.reviewer.evidence import ReviewEvidence

ALL = "all"


def some_of(sizes: tuple[int, ...], seed: int) -> Cohort:
    """Patients of the registry, so many of each subgroup."""
    whole, rng = tb.datasets.registry(), np.random.default_rng(seed)
    groups, chosen = whole.patients["subgroup"], []
    for name, n in zip(whole.subgroups, sizes, strict=False):
        chosen += list(rng.choice(whole.patients.loc[groups == name, "patient_id"], n, False))
    return whole.select([p for p in whole.patient_ids if p in chosen])


def counts_of(fit: Fit) -> Counter[tuple[str, ...]]:
    """Every count that a review may print, counted here: of the tables, not of the package."""
    cohort, truth = fit.cohort, Counter[tuple[str, ...]]()
    group = cohort.patients.set_index("patient_id")["subgroup"]
    centre = cohort.patients.set_index("patient_id")["centre"]
    for patient in cohort.patient_ids:
        truth["n", group[patient]] += 1
        truth["centre", centre[patient]] += 1
        mine = cohort.events[cohort.events["patient_id"] == patient]
        happened = {*mine["event"]}
        assert cohort.treatments is not None
        started = cohort.treatments[cohort.treatments["patient_id"] == patient]
        for event in happened | {*started["treatment"]}:
            truth["event", event, group[patient]] += 1
    for name, missing in cohort.covariates().isna().items():
        for patient in missing.index[missing]:
            truth["missing", words(str(name)), "subgroup", group[patient]] += 1
            truth["missing", words(str(name)), "centre", centre[patient]] += 1
    observed = shrinkage_of(fit, 0.9).table
    for row in observed.itertuples():
        truth["observed", str(row.transition), str(row.subgroup)] = int(row.observed)
    for row in treatment_borrowing(fit).table.itertuples():
        truth["treated", words(str(row.effect)), str(row.subgroup)] = int(row.n_treated)
    return truth


def attack(fit: Fit, page: str) -> Attacker:
    """Read every table of a review, and put down how its counts hang together."""
    tables, groups = tables_of(page), fit.cohort.subgroups
    known = Attacker(counts_of(fit))
    name_of = {words(g): g for g in groups} | {g: g for g in groups}
    known.knows({("n", g): 1.0 for g in groups}, fit.cohort.n_patients, fit.cohort.n_patients)
    read_events(known, table_with(tables, "subgroup", "patients", "death"), groups)
    for row in table_with(tables, "subgroup", "deaths"):
        if row["subgroup"] != ALL:
            known.reads(("n", row["subgroup"]), row["patients"])
            known.reads(("event", "death", row["subgroup"]), row["deaths"])
    for place in ("subgroup", "centre"):
        read_missing(known, fit, tables, place)
    read_flags(known, fit, page)
    read_observed(known, fit, tables, name_of)
    for row in table_with(tables, "effect", "n treated"):
        group = name_of[row["subgroup"]]
        known.reads(("treated", words(row["effect"]), group), row["n treated"])
        known.reads(("n", group), row["n"])
        started = ("event", row["effect"].split(":")[0].replace(" ", "_"), group)
        known.knows({started: 1.0, ("treated", words(row["effect"]), group): -1.0}, 0)
    return known


def read_events(known: Attacker, rows: list[dict[str, str]], groups: tuple[str, ...]) -> None:
    assert rows
    for row in rows:
        for event, printed in row.items():
            if event == "subgroup":
                continue
            cells = [("n", g) if event == "patients" else ("event", event, g) for g in groups]
            if row["subgroup"] == ALL:
                if printed.isdigit():
                    known.knows(dict.fromkeys(cells, 1.0), int(printed), int(printed))
            else:
                known.reads(cells[groups.index(row["subgroup"])], printed)
                here = cells[groups.index(row["subgroup"])]
                if event != "patients":  # nobody has an event without being a patient
                    known.knows({("n", row["subgroup"]): 1.0, here: -1.0}, 0)


def read_missing(known: Attacker, fit: Fit, tables: list[list[list[str]]], place: str) -> None:
    heads = ("n" if place == "subgroup" else "centre",)
    columns = [words(str(c)) for c in fit.cohort.covariates()]
    for table in tables:
        if not table or table[0][:2] != [place, "patients"] or "deaths" in table[0]:
            continue
        for row in (dict(zip(table[0], r, strict=True)) for r in table[1:]):
            if row[place] == ALL:
                continue
            size = (*heads, row[place])
            known.reads(size, row["patients"])
            for name, printed in row.items():
                cell = ("missing", words(name), place, row[place])
                if words(name) not in columns:
                    continue
                if printed.endswith("%"):  # rounded to a whole per cent
                    share = int(printed[:-1]) / 100
                    known.knows({cell: 1.0, size: -(share - 0.005)}, 0)
                    known.knows({cell: -1.0, size: share + 0.005}, 0)
                else:
                    known.reads(cell, printed)
                known.knows({size: 1.0, cell: -1.0}, 0)
    centres = {("centre", c): 1.0 for c in fit.cohort.centres}
    known.knows(centres, fit.cohort.n_patients, fit.cohort.n_patients)
    for name in columns:  # the same people, by subgroup and by centre
        sums = {("missing", name, "subgroup", g): 1.0 for g in fit.cohort.subgroups}
        sums |= {("missing", name, "centre", c): -1.0 for c in fit.cohort.centres}
        known.knows(sums, 0, 0)


def read_flags(known: Attacker, fit: Fit, page: str) -> None:
    for name, percent in re.findall(r"<li>(\w+): missing in (\d+)% of patients", page):
        cells = {("missing", words(name), "subgroup", g): 1.0 for g in fit.cohort.subgroups}
        n, share = fit.cohort.n_patients, int(percent) / 100
        known.knows(cells, n * (share - 0.005), n * (share + 0.005))
    alt = re.search(r"Most often missing: ([^\"]*?)\.\"", page)
    for name, percent in re.findall(r"([^,]+?) (\d+)%(?:, |$)", alt[1] if alt else ""):
        cells = {("missing", name, "subgroup", g): 1.0 for g in fit.cohort.subgroups}
        n, share = fit.cohort.n_patients, int(percent) / 100
        known.knows(cells, n * (share - 0.005), n * (share + 0.005))


def read_observed(
    known: Attacker, fit: Fit, tables: list[list[list[str]]], name_of: dict[str, str]
) -> None:
    groups, labels = fit.cohort.subgroups, fit.spec.graph.labels
    by_words = {words(label): label for label in labels}
    for row in table_with(tables, "intensity", "events"):  # of all patients
        cells = {("observed", by_words[row["intensity"]], g): 1.0 for g in groups}
        if row["events"].isdigit():
            known.knows(cells, int(row["events"]), int(row["events"]))
        elif row["events"] == FEW:
            known.knows(cells, 1, 4)
    for row in table_with(tables, "transition", "observed", "raw"):
        group, label = name_of[row["subgroup"]], row["transition"]
        cell = ("observed", label, group)
        known.reads(cell, row["observed"])
        known.reads(("n", group), row["n"])
        if row["raw"] not in ("–", "−∞"):  # observed over expected
            count = float(row["expected"]) * np.exp(float(row["raw"]))
            known.knows({cell: 1.0}, count * 0.998 - 1e-9, count * 1.002 + 1e-9)
    into: dict[str, list[str]] = {}
    for label in labels:
        target = label.partition("->")[2]
        into.setdefault("death" if target.startswith("death") else target, []).append(label)
    for target, some in into.items():
        event = target.removeprefix("start:")
        event = {"remission": "complete_remission"}.get(event, event)
        for g in groups:  # everybody who had the event went one of these ways, once
            ways = {("observed", label, g): 1.0 for label in some}
            if sum(known.truth[w] for w in ways) == known.truth["event", event, g]:
                known.knows({**ways, ("event", event, g): -1.0}, 0, 0)


def sections_with_counts(fit: Fit) -> str:
    """The sections of a review that count people, without what takes long to compute."""
    evidence = ReviewEvidence(
        fit=fit,
        look=look_of(fit),
        quality=fit.cohort.quality(),
        horizons=(365.25,),
        checks={SHRINKAGE: (shrinkage_of(fit, 0.9),), BORROWING: (treatment_borrowing(fit),)},
        curves=None,
        prior_occupation=None,
        effects=treatment_effects(fit, 0.9),
        covariates=pd.DataFrame(),
        interval=0.9,
    )
    shown = (fit_sections.data, fit_sections.model, check_sections.shrinkage,
             check_sections.treatment_effects, check_sections.borrowing)  # fmt: skip
    return "".join(show(evidence).html for show in shown)


SIZES = [
    ((30, 24, 9, 4, 2), 1),
    # what several lines and sections tell together: starts of treatments, and who was treated
    ((34, 28, 18, 12, 6, 4, 2, 2), 773),
    ((6, 1, 4, 4, 1, 1), 705),
    *(
        pytest.param(sizes, seed, marks=pytest.mark.slow)
        for sizes, seed in (
            ((25, 5, 5, 5), 3),
            ((60, 40, 30, 20, 15, 10, 8, 6), 6),
            ((40, 17, 12, 8, 6, 5, 1), 2),
            ((38, 16, 13), 215),
        )
    ),
]


@pytest.mark.requirement("R-052")
@pytest.mark.parametrize(("sizes", "seed"), SIZES)
def test_no_suppressed_count_follows_from_the_sections_that_count_people(
    sizes: tuple[int, ...], seed: int, fit_of: Callable[[Cohort], Fit]
) -> None:
    fit = fit_of(some_of(sizes, seed))
    known = attack(fit, sections_with_counts(fit))
    assert known.suppressed
    assert known.narrowed() == {}


@pytest.mark.slow
def test_no_suppressed_count_follows_whatever_the_cohort(fit_of: Callable[[Cohort], Fit]) -> None:
    rng = np.random.default_rng(drawn_seed())
    whole = tb.datasets.registry()
    most = whole.patients["subgroup"].value_counts()
    some = whole.subgroups[: rng.integers(3, 8)]
    sizes = tuple(int(rng.integers(1, most[g], endpoint=True)) for g in some)
    seed = int(rng.integers(1000))
    fit = fit_of(some_of(sizes, seed))
    known = attack(fit, sections_with_counts(fit))
    assert known.narrowed() == {}, f"sizes {sizes}, seed {seed}"


@pytest.mark.requirement("R-052")
def test_no_suppressed_count_follows_from_all_that_a_review_prints(
    fit: Fit, reviewed: Path
) -> None:
    known = attack(fit, (reviewed / "review.html").read_text(encoding="utf-8"))
    assert len(known.suppressed) > 20
    assert known.narrowed() == {}


def test_the_attacker_finds_what_a_single_suppression_gives_away() -> None:
    """60 = 40 + 17 + x: three numbers shown and their sum tell the fourth."""
    truth = {"a": 40, "b": 17, "c": 3}
    known = Attacker(truth)
    for cell, printed in (("a", "40"), ("b", "17"), ("c", "<5")):
        known.reads(cell, printed)
    known.knows(dict.fromkeys(truth, 1.0), 60, 60)
    assert known.narrowed() == {"c": ("<5", 3, 3)}
    hidden = Attacker(truth)
    for cell, printed in (("a", "40"), ("b", "hidden"), ("c", "<5")):
        hidden.reads(cell, printed)
    hidden.knows(dict.fromkeys(truth, 1.0), 60, 60)
    assert hidden.narrowed() == {}
    assert (hidden.range_of("b"), hidden.range_of("c")) == ((16, 19), (1, 4))
