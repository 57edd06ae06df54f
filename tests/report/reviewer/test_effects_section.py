"""Treatment effects in reports: every number with its support, and no patient."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from twinbayes.effects import Estimand, e_value_of, treatment_effect
from twinbayes.inference import Fit
from twinbayes.report import Picture, read_effects, write_effects
from twinbayes.report.figures.effect import effect_forest, effect_rows
from twinbayes.report.reviewer.effects import estimands

YEARS = (365.25, 1095.75)


def asked(summary: str = "risk_difference") -> Estimand:
    return Estimand.starting(
        "allogeneic_transplant",
        landmark=60.0,
        times=YEARS,
        states=("remission",),
        summary=summary,
    )


@pytest.fixture(scope="module")
def effect(fit: Fit) -> xr.Dataset:
    return treatment_effect(fit, asked(), allow_unsupported=True, draws=100)


@pytest.fixture(scope="module")
def ratio(fit: Fit) -> xr.Dataset:
    return treatment_effect(fit, asked("risk_ratio"), allow_unsupported=True, draws=100)


def texts(picture: Picture) -> list[str]:
    found = picture.figure.findobj(mpl.text.Text)
    return [t.get_text() for t in found if isinstance(t, mpl.text.Text)]


def test_the_forest_prints_every_effect_with_interval_and_support(effect: xr.Dataset) -> None:
    picture = effect_forest(effect)
    m, low, high = (
        100 * float(effect[f"overall_risk_difference{s}"][-1]) for s in ("", "_lower", "_upper")
    )
    said = f"{m:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−")
    assert said in texts(picture)
    assert said in picture.alt
    assert "Risk difference at 3 years (percentage points)" in texts(picture)
    assert "90% equal-tailed interval" in picture.caption
    for flag in set(effect["support"].to_numpy()):
        assert flag in picture.alt
    assert picture.marks == ("SIMULATED DATA",)
    assert picture.png() == effect_forest(effect).png()


def test_what_is_not_for_use_and_small_counts_are_marked(effect: xr.Dataset) -> None:
    bad = effect.assign_attrs(verdict="not for use")
    assert effect_forest(bad).marks[0] == "NOT FOR USE"
    few = effect.assign(
        n_patients=("subgroup", [3] * effect.sizes["subgroup"]),
        n_treated=("subgroup", [2] * effect.sizes["subgroup"]),
    )
    rows = effect_rows(few)
    assert {r.n for r in rows[:-1]} <= {"<5", "hidden"}  # no two hidden ones give a third away
    assert {r.treated for r in rows[:-1]} <= {"few", "hidden"}


def test_ratios_are_drawn_on_a_logarithmic_axis(ratio: xr.Dataset) -> None:
    picture = effect_forest(ratio, time=0)
    assert picture.figure.axes[0].get_xscale() == "log"
    assert "Risk ratio at 1 year" in texts(picture)


def test_effects_come_back_from_their_file_without_patients(
    effect: xr.Dataset, ratio: xr.Dataset, tmp_path: Path
) -> None:
    broken = ratio.assign(overall_risk_ratio=ratio["overall_risk_ratio"] * np.nan)
    path = write_effects(tmp_path / "effects.json", [effect, broken])
    one, two = read_effects(path)
    assert "patient" not in one.coords
    few = ["n_treated", "n_untreated", "events_treated", "events_untreated"]
    told = [*few, "share_treated", "effective_number", "effective_events"]
    xr.testing.assert_allclose(one.drop_vars(told), effect.drop_dims("patient").drop_vars(told))
    assert effect["n_treated"].values.tolist() == [2, 18]
    assert effect["n_untreated"].values.tolist() == [8, 3]
    for name in told:  # 2 of 10 are told neither as they are nor as what they would follow from
        assert np.isnan(one[name]).all()
    left_out = str(effect.attrs["left_out"]).replace("; 2 already", "; <5 already")
    assert one.attrs == {**effect.attrs, "left_out": left_out}
    assert np.isnan(two["overall_risk_ratio"]).all()
    json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert read_effects("") == ()


def test_the_section_says_the_estimand_its_support_and_the_e_value(
    effect: xr.Dataset, ratio: xr.Dataset, fit: Fit
) -> None:
    html = re.sub(r"base64,[^\"]*", "", estimands([effect, ratio]).html)
    assert html.count("<h3>") == 2
    assert "Population: all patients who are alive and followed, in remission" in html
    assert "Intercurrent events: allogeneic_transplant: hypothetical" in html
    assert effect.attrs["support"] in html
    assert f"ratio of {e_value_of(ratio).estimate:.2f} with both treatment and outcome" in html
    assert "who was treated did not depend on anything" in html
    assert not [p for p in fit.cohort.patient_ids if p in html]


def test_counts_of_those_left_out_are_hidden_where_small(effect: xr.Dataset) -> None:
    told = effect.assign_attrs(left_out="3 no longer followed at the landmark; 12 dead")
    html = estimands([told]).html
    assert "&lt;5 no longer followed at the landmark; 12 dead" in html
    assert "nobody" in estimands([effect.assign_attrs(left_out="nobody")]).html


def test_without_an_estimand_the_section_says_so() -> None:
    assert "NOT PROVIDED" in estimands(()).html


def test_an_effect_that_is_not_defined_is_left_blank(ratio: xr.Dataset) -> None:
    gone = {
        name: ratio[name] * np.nan for name in ratio if str(name).startswith("overall_risk_ratio")
    }
    html = estimands([ratio.assign(gone)]).html
    assert "E-value" not in html
    assert "nan (nan to nan)" not in html


def test_a_bias_is_told(fit: Fit) -> None:
    from twinbayes.effects import Bias

    found = treatment_effect(
        fit,
        replace(asked(), endpoint="relapse"),
        allow_unsupported=True,
        draws=50,
        bias=Bias(mean=-0.2, sd=0.1),
    )
    assert "normal(mean -0.2, sd 0.1) on the log hazard ratio" in estimands([found]).html


def test_effects_beyond_the_follow_up_say_so_before_their_number(fit: Fit) -> None:
    asked_late = replace(asked(), times=(365.25, 20 * 365.25))
    found = treatment_effect(fit, asked_late, allow_unsupported=True, draws=20)
    events = fit.cohort.events
    had = events.loc[events["event"] == "complete_remission", "patient_id"]
    longest = float(events[events["patient_id"].isin(had)]["day"].max()) - 60.0
    assert found.attrs["followed_until"] == pytest.approx(longest)
    assert found["beyond_follow_up"].to_numpy()[0].tolist() == [False, True]
    page = estimands([found]).html
    assert "20 years, beyond the follow-up" in page
    assert "1 year, beyond the follow-up" not in page
    assert page.index("Beyond the follow-up: from") < page.index("<td")
    assert effect_forest(found).caption.startswith("Beyond ")
    assert not effect_forest(found, time=0).caption.startswith("Beyond ")
