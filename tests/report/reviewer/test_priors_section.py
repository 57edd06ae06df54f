"""The section of priors: where each comes from, and whether the model has it."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from twinbayes.inference import Fit
from twinbayes.priors import PriorSet, load_priors
from twinbayes.report.reviewer.evidence import ReviewEvidence
from twinbayes.report.reviewer.fit import priors, priors_of, provenance_words


def test_entries_are_the_librarys_or_not_and_used_or_not(fit: Fit) -> None:
    frame = priors_of(fit).set_index("prior")
    assert frame.loc["baseline_level", ["from", "in the model"]].tolist() == ["library", "yes"]
    idle = frame.index[frame["in the model"] == "no"]
    assert len(idle)
    words = provenance_words(priors_of(fit))
    assert f"published in the library: {len(frame)} of {len(frame)}." in words
    assert "Overridden by the analyst: none." in words
    assert "own set" not in words
    assert words.endswith(
        f"{len(idle)} further entries of the set are asked for by nothing in this model."
    )
    assert not any(name in words for name in idle)


def test_a_file_of_ones_own_is_not_taken_for_the_library(fit: Fit) -> None:
    mine = PriorSet("mine", 1, fit.priors.entries)
    words = provenance_words(priors_of(replace(fit, priors=mine)))
    assert "published in the library: 0 of" in words
    assert f"Of the analyst's own set: {', '.join(fit.priors)}." in words


def test_an_override_is_told_and_the_rest_stays_the_librarys(fit: Fit) -> None:
    changed = fit.priors.override({"baseline_level": {"arguments": {"mu": -6.0, "sigma": 2.0}}})
    frame = priors_of(replace(fit, priors=changed))
    assert "Overridden by the analyst: baseline_level." in provenance_words(frame)
    assert (frame["from"] == "library").sum() == len(frame) - 1


def test_an_old_fit_with_an_entry_of_nothing_can_still_be_reviewed(fit: Fit) -> None:
    stray = replace(fit.priors["baseline_level"], name="baselin_level.x")
    old = PriorSet(fit.priors.name, fit.priors.version, {**fit.priors, stray.name: stray})
    frame = priors_of(replace(fit, priors=old)).set_index("prior")
    assert frame.loc[stray.name, ["from", "in the model"]].tolist() == ["own", "no"]
    assert stray.name not in load_priors(fit.priors.name)


def test_reasons_are_told_of_what_the_model_has_and_the_rest_is_folded_away(
    fit: Fit, collected: ReviewEvidence
) -> None:
    frame = priors_of(fit)
    idle = list(frame.loc[frame["in the model"] == "no", "prior"])
    shown = priors(collected).html
    line = f"<summary>{len(idle)} further entries of the set are asked for by nothing"
    before, folded = shown.split(line)
    reasons = before.split("Reasons and evidence")[1]
    assert idle
    for name in frame["prior"]:
        assert (f"{escape(name)} ~ " in reasons) == (name not in idle)
    assert all(escape(name) in folded for name in idle)
