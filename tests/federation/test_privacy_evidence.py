"""Stored figures of what messages tell of single patients, and that they are of these messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import federation_privacy as privacy
from federation_attacks import View
from federation_study import Told
from twinbayes.federation.exchange.numbers import numbers_in
from twinbayes.federation.site import KINDS
from twinbayes.federation.study import MINIMUM

STALE = "Run benchmarks/federation_privacy.py --write."


@pytest.fixture(scope="module")
def found(stored_evidence: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("federation_privacy")


def test_the_figures_are_of_the_messages_that_are_sent(found: dict[str, Any], early: Told) -> None:
    models = [privacy.spec_of(*privacy.TERMS).content_hash, privacy.model().content_hash]
    assert found["models"] == models, STALE
    assert (found["kinds"], found["minimum"]) == (list(KINDS), MINIMUM), STALE
    stored = {r["kind"]: r["numbers"] for r in reversed(found["released"]["rounds"])}
    for kind in ("labels", "counts", "facts", "moments", "expansion"):
        assert stored[kind] == numbers_in(early.answers(kind)[0][0].body), STALE


def test_the_only_carrier_is_found_without_the_rules_and_refused_with_them(
    found: dict[str, Any],
) -> None:
    one = found["one_patient"]
    assert one["seeds"] == one["only_carrier_refused_at_defaults"] >= 10
    assert max(one["only_carrier_without_minimum"].values()) < 0.01


def test_membership_is_harder_to_tell_the_more_patients_there_are(found: dict[str, Any]) -> None:
    rows = found["membership"]
    for name in ("means", "scores", "everything"):
        areas = [row["auc"][name] for row in rows]
        assert areas == sorted(areas, reverse=True)
        assert 0.5 < areas[-1] < areas[0] < 1.0


def test_attackers_count_what_is_sent(tmp_path: Path) -> None:
    tables = privacy.people(12, np.random.default_rng(5))
    names = [c for c in tables["north"] if c[0] in "xb" and c[1:].isdigit()]
    view = View(privacy.told_early(privacy.model(), tables, 0, **dict.fromkeys(names)))
    told = privacy.contributions(view, pd.concat(list(tables.values())))
    np.testing.assert_allclose(told["scores"].sum(axis=0), view.expansion.score, atol=1e-4)


def test_the_page_for_data_protection_quotes_the_figures(root: Path, found: dict[str, Any]) -> None:
    page = (root / "docs" / "how-to" / "data_protection.md").read_text("utf-8")
    for row in found["membership"]:
        total = row["patients_a_site"] * row["sites"]
        areas = " | ".join(f"{row['auc'][k]:.2f}" for k in ("means", "scores", "everything"))
        assert f"| {total} | {areas} |" in page
    sent = found["released"]
    assert f"{sent['sent']:,} numbers" in page
    assert f"{sent['held']} numbers" in page
