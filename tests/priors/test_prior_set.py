"""Prior sets: lookup, override, hashes, and the random variables they make."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pymc as pm
import pytest

from tests.support.on_line import on_line
from twinbayes.errors import PriorError
from twinbayes.priors import PriorEntry, PriorSet, load_priors

COORDS = {
    "covariate_group": ["gene", "clinical", "other"],
    "transition": ["a->b", "remission->relapse"],
}


@pytest.fixture(scope="module")
def aml() -> PriorSet:
    return load_priors("aml")


def test_the_most_specific_entry_wins(aml: PriorSet) -> None:
    assert aml.get_entry("covariate_scale", "gene").name == "covariate_scale.gene"
    assert aml.get_entry("covariate_scale", "blood type").name == "covariate_scale"
    assert aml.get_entry("covariate_scale").name == "covariate_scale"


@pytest.mark.requirement("R-017")
def test_an_unknown_prior_is_an_error_that_lists_the_known(aml: PriorSet) -> None:
    with pytest.raises(PriorError, match=r"'basline_level' is unknown. Known: 'baseline_level'"):
        aml.get_entry("basline_level")
    with pytest.raises(KeyError, match="Known"):
        aml["basline_level"]
    assert "basline_level" not in aml


def test_an_override_changes_the_entry_and_says_so_in_id_hash_and_reasons(aml: PriorSet) -> None:
    changed = aml.override({"treatment_effect": {"arguments": {"mu": 0, "sigma": 2}}})
    assert changed["treatment_effect"].text() == "Normal(mu=0, sigma=2)"
    assert changed["treatment_effect"].evidence == ()
    assert "analyst" in changed["treatment_effect"].rationale
    assert changed.content_hash != aml.content_hash
    (identity,) = set(changed.ids) - set(aml.ids)
    version = aml["treatment_effect"].version
    assert identity.startswith(f"aml/v1:treatment_effect@{version}+override.")
    assert aml["treatment_effect"].text() == "Normal(mu=0, sigma=1)"
    assert list(changed.to_frame().query("overridden").index) == ["treatment_effect"]


def test_a_qualified_override_of_a_known_stem_starts_from_what_applied_before(
    aml: PriorSet,
) -> None:
    name = "baseline_level.remission->relapse"
    changed = aml.override({name: {"arguments": {"mu": -6, "sigma": 1}}})
    assert changed.get_entry("baseline_level", "remission->relapse").arguments["mu"] == -6
    assert changed.get_entry("baseline_level", "relapse->death").arguments["mu"] == -7
    assert changed[name].unit == aml["baseline_level"].unit


def test_a_whole_entry_may_be_given_and_takes_the_name_it_is_given_under(aml: PriorSet) -> None:
    changed = aml.override({"centre_scale": aml["subgroup_scale"]})
    assert changed["centre_scale"].name == "centre_scale"
    assert changed["centre_scale"].arguments == aml["subgroup_scale"].arguments


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"slope": {"arguments": {"sigma": 1}}}, "'slope' is unknown. Known"),
        ({"slope.gene": {"arguments": {"sigma": 1}}}, "'slope.gene' is unknown. Known"),
        ({"centre_scale.": {"arguments": {"sigma": 1}}}, "'centre_scale.' is unknown"),
        ({"centre_scale": {"sigma": 1}}, "key 'sigma' is unknown"),
        ({"centre_scale": {"arguments": {"sigma": -1}}}, "must be above 0"),
        ({"centre_scale": {"distribution": "HalfCauchy"}}, "needs its 'arguments'"),
        ({"centre_scale": {"name": "subgroup_scale"}}, "cannot rename"),
        ({"centre_scale": {"status": "deprecated"}}, "deprecated"),
        ({"centre_scale": 0.3}, "an override is a PriorEntry or a mapping"),
    ],
)
def test_a_wrong_override_is_refused(aml: PriorSet, mapping: dict[str, object], said: str) -> None:
    with pytest.raises(PriorError) as caught:
        aml.override(mapping)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_the_content_hash_covers_text_and_ignores_order(aml: PriorSet) -> None:
    backwards = PriorSet(aml.name, aml.version, dict(list(aml.entries.items())[::-1]))
    assert backwards.content_hash == aml.content_hash
    assert backwards == aml
    retold = aml.override({"centre_scale": {"rationale": "told otherwise"}})
    assert retold.content_hash != aml.content_hash


def test_the_distribution_hash_leaves_out_reasons_but_not_units(aml: PriorSet) -> None:
    retold = aml.override({"centre_scale": {"rationale": "told otherwise"}})
    assert retold.distribution_hash == aml.distribution_hash
    for change in ({"arguments": {"sigma": 0.9}}, {"unit": "1/yr"}):
        assert aml.override({"centre_scale": change}).distribution_hash != aml.distribution_hash


def test_qualified_arguments_are_stacked_in_the_order_of_the_qualifiers(aml: PriorSet) -> None:
    stacked = aml.arguments("covariate_scale", ["gene", "clinical", "other"])
    np.testing.assert_array_equal(stacked["sigma"], [0.5, 0.6, 0.3])
    assert aml.arguments("covariate_scale")["sigma"].shape == ()


@pytest.mark.parametrize(("axis", "dims"), [(0, (0, 1)), (1, (1, 0)), (-1, (1, 0))])
def test_make_broadcasts_the_arguments_along_the_axis_of_the_qualifiers(
    aml: PriorSet, axis: int, dims: tuple[int, int]
) -> None:
    order = ("covariate_group", "transition")
    shape = tuple(order[d] for d in dims)
    with pm.Model(coords=COORDS) as model:
        aml.make(
            "scale",
            "covariate_scale",
            dims=shape,
            qualifiers=COORDS["covariate_group"],
            axis=axis,
        )
    assert model.named_vars_to_dims["scale"] == shape
    value = np.full([len(COORDS[d]) for d in shape], 0.2)
    # log density of a half-normal, on its own scale
    sigma = np.array([0.5, 0.6, 0.3]).reshape((3, 1) if axis == 0 else (1, 3))
    logp = 0.5 * np.log(2 / np.pi) - np.log(sigma) - 0.5 * (value / sigma) ** 2
    compiled = model.compile_logp(mode="FAST_COMPILE", jacobian=False)
    assert compiled({"scale_line__": on_line(model, "scale", value)}) == pytest.approx(
        logp.sum(), rel=1e-12
    )


def test_make_without_qualifiers_adds_one_free_variable(aml: PriorSet) -> None:
    with pm.Model(coords=COORDS) as model:
        aml.make("level", "baseline_level", dims=("transition",))
        aml.make("gene_scale", "covariate_scale.gene")
    assert [rv.name for rv in model.free_RVs] == ["level", "gene_scale"]
    expected = -np.log(0.5) + 0.5 * np.log(2 / np.pi) - 0.5 * (1 / 0.5) ** 2
    level = -np.log(2.0) - 0.5 * np.log(2 * np.pi)
    point = {"level": np.full(2, -7.0), "gene_scale_line__": on_line(model, "gene_scale", 1.0)}
    compiled = model.compile_logp(mode="FAST_COMPILE", jacobian=False)
    assert compiled(point) == pytest.approx(expected + 2 * level)


def test_one_variable_cannot_mix_distributions(aml: PriorSet) -> None:
    mixed = aml.override(
        {"covariate_scale.gene": {"distribution": "Exponential", "arguments": {"lam": 4}}}
    )
    with pytest.raises(PriorError, match=r"cannot mix distributions \(Exponential, HalfNormal\)"):
        mixed.arguments("covariate_scale", ["gene", "clinical"])


@pytest.mark.parametrize(
    ("dims", "qualifiers", "axis", "said"),
    [
        (None, ["gene"], 0, "qualifiers need dims"),
        (("covariate_group",), ["gene"], 1, "an axis among them"),
        (("covariate_group",), ["gene"], 0, "1 qualifiers for 3 entries"),
        (("covariate_group",), [], 0, "at least one"),
        (("covariate_group",), "gene", 0, "must be a sequence"),
    ],
)
def test_qualifiers_that_do_not_fit_the_dims_are_refused(
    aml: PriorSet, dims: tuple[str, ...] | None, qualifiers: list[str], axis: int, said: str
) -> None:
    with pm.Model(coords=COORDS), pytest.raises(PriorError, match=said):
        aml.make("scale", "covariate_scale", dims=dims, qualifiers=qualifiers, axis=axis)


def test_a_deprecated_entry_cannot_be_part_of_a_set(aml: PriorSet) -> None:
    old = PriorEntry.from_dict({**aml["centre_scale"].to_dict(), "status": "deprecated"})
    with pytest.raises(PriorError, match="'centre_scale' is deprecated"):
        PriorSet("aml", 1, {"centre_scale": old})


def test_a_set_can_be_copied_and_sent_to_another_process(aml: PriorSet) -> None:
    assert copy.deepcopy(aml) == aml
    assert pickle.loads(pickle.dumps(aml)) == aml  # noqa: S301


def test_the_table_has_a_row_an_entry_with_quantiles_in_order(aml: PriorSet) -> None:
    table = aml.to_frame()
    assert list(table.index) == list(aml)
    assert (table["q05"] < table["q95"]).all()
    assert tuple(table["id"]) == aml.ids
