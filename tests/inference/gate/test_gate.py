"""The gate is fail-closed: each fault alone closes it, and says why in plain words."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from twinbayes.errors import OptionError
from twinbayes.inference import Verdict, judge

CHAINS, DRAWS = 4, 500


@pytest.fixture
def good() -> xr.DataTree:
    """Independent draws: nothing speaks against them."""
    rng = np.random.default_rng(0)
    shape = (CHAINS, DRAWS)
    posterior = xr.Dataset(
        {
            "level": (("chain", "draw"), rng.normal(size=shape)),
            "beta": (
                ("chain", "draw", "covariate", "transition"),
                rng.normal(size=(*shape, 3, 2)),
            ),
            "count": (("chain", "draw", "count_dim_0"), rng.poisson(3.0, size=(*shape, 2))),
        },
        coords={
            "chain": range(CHAINS),
            "draw": range(DRAWS),
            "covariate": ["age", "wbc", "npm1"],
            "transition": ["remission->relapse", "remission->death"],
        },
    )
    stats = xr.Dataset(
        {
            "diverging": (("chain", "draw"), np.zeros(shape, dtype=bool)),
            "energy": (("chain", "draw"), rng.normal(size=shape)),
        }
    )
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


def only_reason(verdict: Verdict) -> str:
    assert not verdict.usable
    assert len(verdict.reasons) == 1, verdict.reasons
    assert verdict.banner() == f"NOT FOR USE: {verdict.reasons[0]}"
    return verdict.reasons[0]


def test_good_draws_are_usable(good: xr.DataTree) -> None:
    verdict = judge(good)
    assert verdict.usable
    assert verdict.reasons == ()
    assert verdict.banner() == "USABLE"
    assert verdict.summary["n_scalars"] == 1 + 6 + 2
    assert verdict.summary["max_rhat"] <= 1.01
    assert min(verdict.summary["min_ess_bulk"], verdict.summary["min_ess_tail"]) >= 400
    assert verdict.summary["divergences"] == 0
    assert "USABLE" in verdict._repr_html_()


def test_the_table_names_the_worst_entry(good: xr.DataTree) -> None:
    good["posterior"]["beta"][0, :, 1, 1] += 0.5
    table = judge(good).table
    assert list(table.index) == ["level", "beta", "count"]
    assert table.loc["beta", "worst_rhat_at"] == "beta[wbc, remission->death]"
    assert table.loc["beta", "n_scalars"] == 6
    assert table.loc["beta", "max_rhat"] > 1.01


def test_one_shifted_chain_closes_the_gate(good: xr.DataTree) -> None:
    good["posterior"]["beta"][0, :, 1, 1] += 3.0
    reasons = judge(good).reasons
    assert reasons[0].startswith("beta[wbc, remission->death] has R-hat above 1.01")


@pytest.mark.requirement("R-031")
def test_one_wider_chain_closes_the_gate_through_the_folded_rhat(good: xr.DataTree) -> None:
    good["posterior"]["level"][0] *= 3.0
    assert "level has R-hat above 1.01" in only_reason(judge(good, ess_min=1))


def test_slow_mixing_closes_the_gate(good: xr.DataTree) -> None:
    slow = np.random.default_rng(6).normal(size=(CHAINS, DRAWS + 10))
    kernel = np.ones(10)
    good["posterior"]["level"][:] = np.stack([np.convolve(c, kernel, "valid") for c in slow])[
        :, :DRAWS
    ]
    reasons = judge(good, rhat_max=2.0).reasons
    assert any("level has bulk effective sample size below 400" in reason for reason in reasons)


@pytest.mark.requirement("R-031")
def test_one_divergence_closes_the_gate(good: xr.DataTree) -> None:
    good["sample_stats"]["diverging"][2, 7] = True
    assert only_reason(judge(good)) == "1 transition diverged"


def test_low_energy_information_in_one_chain_closes_the_gate(good: xr.DataTree) -> None:
    good["sample_stats"]["energy"][3] = np.random.default_rng(1).normal(size=DRAWS).cumsum()
    assert only_reason(judge(good)).startswith("E-BFMI is below 0.3 in chain 3")


@pytest.mark.requirement("R-031")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_finite_closes_the_gate(good: xr.DataTree, value) -> None:
    good["posterior"]["beta"][1, 3, 2, 0] = value
    assert only_reason(judge(good)) == "beta[npm1, remission->relapse] is not finite"


def test_a_variable_stuck_at_infinity_and_one_without_draws_close_the_gate(good) -> None:
    good["posterior"]["level"][:] = np.inf
    assert only_reason(judge(good)) == "level is not finite"
    assert not judge(good.isel(draw=slice(0, 0))).usable


def test_an_energy_that_is_not_finite_closes_the_gate(good: xr.DataTree) -> None:
    good["sample_stats"]["energy"][0, 0] = np.nan
    assert "E-BFMI" in only_reason(judge(good))


def test_an_entry_that_never_moves_closes_the_gate(good: xr.DataTree) -> None:
    good["posterior"]["beta"][:, :, 0, 0] = 0.0
    verdict = judge(good)
    assert "beta[age, remission->relapse] never moves" in only_reason(verdict)
    assert verdict.constants == ("beta[age, remission->relapse]",)


@pytest.mark.parametrize("declared", ["beta", "beta[age, remission->relapse]"])
def test_an_entry_declared_constant_is_listed_and_accepted(good: xr.DataTree, declared) -> None:
    good["posterior"]["beta"][:, :, 0, 0] = 1.0
    verdict = judge(good, constants=[declared])
    assert verdict.usable
    assert verdict.constants == ("beta[age, remission->relapse]",)
    assert verdict.summary["n_constant"] == 1
    assert verdict.table.loc["beta", "n_constant"] == 1


def test_declaring_one_entry_does_not_excuse_another(good: xr.DataTree) -> None:
    good["posterior"]["beta"][:, :, 0, :] = 1.0
    verdict = judge(good, constants=["beta[age, remission->relapse]"])
    assert "beta[age, remission->death] never moves" in only_reason(verdict)


def test_chains_stuck_at_different_values_are_not_constant_by_construction(good) -> None:
    good["posterior"]["level"][:] = np.arange(CHAINS)[:, None]
    verdict = judge(good, constants=["level"])
    assert any("level has R-hat above 1.01" in reason for reason in verdict.reasons)


def test_rounding_noise_does_not_make_a_constant_move(good: xr.DataTree) -> None:
    noise = np.random.default_rng(2).integers(0, 2, size=(CHAINS, DRAWS))
    good["posterior"]["level"][:] = 1.0 + noise * np.finfo(float).eps
    assert judge(good).constants == ("level",)


@pytest.mark.parametrize("name", ["gamma", "beta[age, remission->cure]", "beta[age"])
def test_declaring_something_unknown_is_an_error(good: xr.DataTree, name: str) -> None:
    with pytest.raises(OptionError, match="neither a variable of the posterior nor an entry"):
        judge(good, constants=[name])


@pytest.mark.requirement("R-032")
@pytest.mark.parametrize("name", ["diverging", "energy"])
def test_a_missing_statistic_closes_the_gate(good: xr.DataTree, name: str) -> None:
    good["sample_stats"] = xr.DataTree(good["sample_stats"].to_dataset().drop_vars(name))
    assert "not recorded for every draw" in only_reason(judge(good))


def test_statistics_of_fewer_draws_close_the_gate(good: xr.DataTree) -> None:
    good["sample_stats"] = xr.DataTree(good["sample_stats"].to_dataset().isel(draw=slice(0, 400)))
    assert len(judge(good).reasons) == 2


def test_a_tree_without_statistics_or_draws_closes_the_gate(good: xr.DataTree) -> None:
    assert not judge(xr.DataTree.from_dict({"posterior": good["posterior"].to_dataset()})).usable
    verdict = judge(xr.DataTree())
    assert not verdict.usable
    assert "there are no draws" in verdict.reasons[0]
    assert np.isnan(verdict.summary["max_rhat"])


def test_a_single_chain_closes_the_gate(good: xr.DataTree) -> None:
    verdict = judge(good.isel(chain=[0]), ess_min=100)
    assert only_reason(verdict) == "there is 1 chain; R-hat compares at least 2"


def test_three_draws_close_the_gate(good: xr.DataTree) -> None:
    verdict = judge(good.isel(draw=slice(0, 3)), ebfmi_min=0.0)
    assert "level has 3 draws a chain, too few to judge" in verdict.reasons


def test_a_variable_that_is_no_number_or_has_no_draws_closes_the_gate(good: xr.DataTree) -> None:
    posterior = good["posterior"].to_dataset()
    posterior["name"] = (("chain", "draw"), np.full((CHAINS, DRAWS), "a", dtype=object))
    posterior["fixed"] = ("covariate", np.arange(3.0))
    good["posterior"] = xr.DataTree(posterior)
    assert judge(good).reasons == (
        "name is not a number at every chain and draw",
        "fixed is not a number at every chain and draw",
    )


def test_a_variable_without_entries_says_nothing(good: xr.DataTree) -> None:
    posterior = good["posterior"].to_dataset()
    posterior["none"] = (("chain", "draw", "nobody"), np.empty((CHAINS, DRAWS, 0)))
    good["posterior"] = xr.DataTree(posterior)
    verdict = judge(good)
    assert verdict.usable
    assert verdict.table.loc["none", "n_scalars"] == 0


def test_hidden_sampled_variables_are_judged_too(good: xr.DataTree) -> None:
    hidden = good["posterior"].to_dataset()[["level"]].rename(level="_step").copy(deep=True)
    good["hidden_posterior"] = xr.DataTree(hidden)
    assert judge(good).usable
    good["hidden_posterior"]["_step"][0] += 5.0
    assert judge(good).reasons[0].startswith("_step has R-hat above")


def test_many_reasons_are_all_kept_and_the_banner_stays_short(good: xr.DataTree) -> None:
    for name in ("level", "beta", "count"):
        good["posterior"][name] = good["posterior"][name].astype(float)
        good["posterior"][name][0] += 10.0
    verdict = judge(good)
    assert len(verdict.reasons) >= 6
    assert verdict.banner().endswith(f"and {len(verdict.reasons) - 5} more reasons")
    assert any("and 5 more of its entries has R-hat above" in r for r in verdict.reasons)


@pytest.mark.requirement("R-032")
def test_a_verdict_cannot_be_changed(good: xr.DataTree) -> None:
    verdict = judge(good)
    with pytest.raises(AttributeError):
        verdict.usable = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        verdict.summary["max_rhat"] = 1.0  # type: ignore[index]


def test_labels_are_escaped_in_html(good: xr.DataTree) -> None:
    good["posterior"]["beta"][:, :, 0, 0] = 0.0
    posterior = good["posterior"].to_dataset()
    good["posterior"] = xr.DataTree(posterior.assign_coords(covariate=["<script>", "wbc", "npm1"]))
    page = judge(good)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_sampled_posterior_is_judged(drawn_by) -> None:
    verdict = judge(drawn_by("nutpie"))
    assert verdict.usable, verdict
    assert set(verdict.table.index) == {"mean", "rate", "shifted", "_offset"}
