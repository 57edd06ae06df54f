"""Names of prior entries: short ones act, unknown ones are refused, and origins are told truly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

import twinbayes as tb
from twinbayes.errors import PriorError
from twinbayes.model.assemble import assemble_aggregate
from twinbayes.priors import PriorSet, check_priors, load_priors
from twinbayes.priors.files.library import library_files, published_entries
from twinbayes.priors.files.names import origin_of, published_names, require_known_entries
from twinbayes.priors.prior_tags import PriorUse, recorded_use

REGISTRY = load_priors("registry")
TRANSPLANT = "allogeneic_transplant:early on remission->relapse"


def with_entries(extra: Mapping[str, str], base: PriorSet = REGISTRY) -> PriorSet:
    """`base` and more entries: their name -> that of the entry whose distribution they have."""
    more = {name: replace(base[like], name=name) for name, like in extra.items()}
    return PriorSet("mine", 1, {**base.entries, **more})


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ([], "treatment_effect"),
        (["allogeneic_transplant"], "treatment_effect.allogeneic_transplant"),
        (
            ["allogeneic_transplant", "allogeneic_transplant:early"],
            "treatment_effect.allogeneic_transplant:early",
        ),
        (["allogeneic_transplant", TRANSPLANT], f"treatment_effect.{TRANSPLANT}"),
        (["allogeneic", "allogeneic_transplant:late", "remission->relapse"], "treatment_effect"),
    ],
)
def test_a_short_name_holds_for_what_it_is_short_for(names: list[str], given: str) -> None:
    priors = with_entries({f"treatment_effect.{name}": "treatment_effect" for name in names})
    with recorded_use() as use:
        assert priors.get_entry("treatment_effect", TRANSPLANT).name == given
    assert use == PriorUse(used={given}, asked={"treatment_effect": {TRANSPLANT}})


def test_a_short_name_changes_the_effects_it_names_and_no_other() -> None:
    priors = REGISTRY.override({"treatment_effect.imatinib": {"arguments": {"mu": 0, "sigma": 9}}})
    labels = ["imatinib:here on a->b", "imatinib:earlier on b->c", "dasatinib:here on a->b"]
    sigma = float(REGISTRY["treatment_effect"].arguments["sigma"])
    assert priors.arguments("treatment_effect", labels)["sigma"].tolist() == [9.0, 9.0, sigma]


@pytest.mark.parametrize(
    ("stray", "said"),
    [
        ("baselin_level.x", "nearest is 'baseline_level'"),
        ("baselin_level", "nearest is 'baseline_level'"),
        ("treatment_effect.allogeneic", "no 'allogeneic' among what 'treatment_effect' is of"),
        ("baseline_level.remision->relapse", "nearest is 'remission->relapse'"),
        ("weather", "nothing in the model has a prior of this name"),
    ],
)
def test_an_entry_of_nothing_in_the_model_is_refused_with_the_nearest(
    stray: str, said: str
) -> None:
    use = PriorUse()
    use.note("baseline_level", "remission->relapse", "baseline_level")
    use.note("treatment_effect", TRANSPLANT, "treatment_effect")
    require_known_entries(REGISTRY, use)
    like = "baseline_level"
    with pytest.raises(PriorError, match=said) as refused:
        require_known_entries(with_entries({stray: like, "wether.x": like}), use)
    assert len(refused.value.faults) == 2
    assert all("Rename the entry, or remove it" in fault for fault in refused.value.faults)


def test_entries_of_other_models_and_of_what_all_have_by_themselves_are_left_alone() -> None:
    use = PriorUse()
    use.note("baseline_level", "a->b", "baseline_level.a->b")
    priors = with_entries(
        {"baseline_level.a->b": "baseline_level", "patient_sd.blood: level": "patient_sd"}
    )
    require_known_entries(priors, use)


@pytest.mark.requirement("R-018")
def test_a_model_refuses_a_stray_entry_before_sampling() -> None:
    basket = load_priors("basket")
    table = {"subgroup": ["A", "B"], "n": [9, 9], "responders": [2, 4]}
    data = tb.read_aggregate(pd.DataFrame(table))
    spec = tb.disease("basket")
    assemble_aggregate(spec, data, with_entries({"effect_mean.intercept": "effect_mean"}, basket))
    for stray in ("effect_men", "effect_mean.slope"):
        with pytest.raises(PriorError, match=f"prior '{stray}'"):
            assemble_aggregate(spec, data, with_entries({stray: "effect_mean"}, basket))


def test_recorded_use_inside_recorded_use_is_part_of_it() -> None:
    with recorded_use() as outer:
        REGISTRY.get_entry("baseline_level")
        with recorded_use() as inner:
            REGISTRY.get_entry("covariate_scale", "gene")
    REGISTRY.get_entry("centre_scale")
    assert inner.used == {"covariate_scale.gene"}
    assert outer.used == {"covariate_scale.gene", "baseline_level"}


def test_the_check_of_a_file_tells_slips_from_names_of_ones_own(tmp_path: Path) -> None:
    text = library_files("registry")[1].read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("\n  baseline_level:\n", "\n  baselin_level:\n"), encoding="utf-8")
    found = check_priors(path)
    assert found.faults == (
        "prior 'baselin_level': no model of the package asks for 'baselin_level'. Did you mean "
        "'baseline_level'?",
    )
    path.write_text(text.replace("\n  baseline_level:\n", "\n  ceiling:\n"), encoding="utf-8")
    found = check_priors(path)
    assert found.passed
    assert found.notes == (
        "Prior 'ceiling' is of no model of the package. A fit refuses it, unless its model asks "
        "for it.",
    )


def test_an_entry_is_the_librarys_overridden_or_ones_own() -> None:
    changed = REGISTRY.override({"subgroup_scale": {"arguments": {"sigma": 1.0}}})
    assert origin_of(REGISTRY, "subgroup_scale") == "library"
    assert origin_of(changed, "subgroup_scale") == "overridden"
    assert origin_of(changed, "baseline_level") == "library"
    assert origin_of(with_entries({}), "baseline_level") == "own"
    hidden = PriorSet(REGISTRY.name, REGISTRY.version, changed.entries)
    assert origin_of(hidden, "subgroup_scale") == "own"


def test_published_names_are_those_of_the_lock() -> None:
    assert {"baseline_level", "covariate_scale.gene"} <= published_names()
    assert "baseline_roughness.induction->start:allogeneic_transplant" in published_names()
    assert len(published_entries()) > len(published_names())


def test_the_set_of_ones_own_in_the_documentation_is_right_and_serves_its_model(
    tmp_path: Path, root: Path
) -> None:
    page = (root / "docs" / "priors.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "our_trial.yaml"
    path.write_text(example, encoding="utf-8")
    found = check_priors(path)
    assert (found.faults, found.notes) == ((), ())
    priors = load_priors(path)
    table = {"subgroup": ["A", "B"], "n": [9, 9], "responders": [2, 4], "prior_lines": [1, 2]}
    data = tb.read_aggregate(pd.DataFrame(table), covariates=["prior_lines"])
    spec = replace(tb.disease("basket"), covariates=("prior_lines",))
    with recorded_use() as use:
        assemble_aggregate(spec, data, priors)
    assert use.used == set(priors)
    odds = stats.halfnorm(scale=0.5).ppf(0.5)
    assert np.exp(odds) == pytest.approx(1.4, abs=0.01)  # as its rationale says
    assert np.exp(stats.norm(0.0, 0.5).ppf(0.975)) == pytest.approx(2.7, abs=0.04)
    low, high = expit(stats.norm(-1.0, 1.0).ppf([0.1, 0.9]))
    assert (low, high) == (pytest.approx(0.1, abs=0.01), pytest.approx(0.57, abs=0.01))
