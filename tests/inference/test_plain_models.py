"""PyMC models that no sampler or no file can take are refused before anything is sampled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.errors import ModelError
from twinbayes.inference.plain.requirements import require_plain_model

RUN: dict[str, Any] = {"draws": 10, "tune": 20, "chains": 2, "progressbar": False}


def with_labels(labels: Any, name: str = "z", dim: str = "g") -> pm.Model:
    with pm.Model(coords={dim: labels}) as model:
        pm.Normal(name, dims=dim)
    return model


def seen_by(labels: Any) -> pm.Model:
    """A model whose labels are of the data alone."""
    with pm.Model(coords={"g": labels}) as model:
        pm.Normal("y", pm.Normal("mu"), 1.0, observed=np.zeros(len(labels)), dims="g")
    return model


def of(*make: Callable[[], object]) -> pm.Model:
    with pm.Model() as model:
        pm.Normal("mu")
        for one in make:
            one()
    return model


def recorded(name: str, value: Any) -> pm.Model:
    return of(lambda: pm.Deterministic(name, pt.as_tensor(value)))


def twice() -> pm.Model:
    with pm.Model(coords={"g": [1, 2]}) as model:
        pm.Normal("mu")
        pm.Deterministic("square", pt.zeros((2, 2)), dims=("g", "g"))
    return model


def hidden() -> pm.Model:
    with pm.Model() as model:
        pm.Normal("_x")
    return model


TWO_TUPLES = [(1, 2), (3, 4)]
REFUSED: dict[str, tuple[Callable[[], pm.Model], str]] = {
    "text and numbers": (lambda: with_labels(["a", 1]), "all text, or all numbers"),
    "tuples": (lambda: with_labels(TWO_TUPLES), "not 'tuple'.*as text"),
    "several levels": (lambda: with_labels(pd.MultiIndex.from_tuples(TWO_TUPLES)), "not 'tuple'"),
    "none": (lambda: with_labels([None, "a"]), "'NoneType', 'str'"),
    "true and 2": (lambda: with_labels([True, 2]), "'bool', 'int'"),
    "bytes": (lambda: with_labels([b"a", b"b"]), "'bytes'"),
    "too large": (lambda: with_labels([2**70, 1]), "64 bits"),
    "short numbers": (lambda: with_labels(np.array([1, 2], "i1")), "64 bits, not 'int8'"),
    "decimals": (lambda: with_labels([Decimal(1), Decimal(2)]), "'Decimal'"),
    "days": (lambda: with_labels([date(2020, 1, 1), date(2021, 1, 1)]), "'date'.*as text"),
    "of data": (lambda: seen_by(["a", 1, None]), "all text, or all numbers"),
    "dates": (lambda: with_labels(pd.date_range("2020", periods=2)), r"dates, .*str\(day\)"),
    "half a pair": (lambda: with_labels(["a\ud800", "b"]), "half of a surrogate pair"),
    "a zero byte": (lambda: with_labels(["a\0b", "b"]), "zero byte"),
    "no labels": (lambda: with_labels([]), "no entry"),
    "no entry": (lambda: recorded("d", np.zeros((2, 0))), "'d': there is no entry"),
    "none of data": (
        lambda: of(lambda: pm.Deterministic("d", 2.0 * pm.Data("x", np.zeros(0)))),
        "'d': there is no entry",
    ),
    "nothing drawn": (lambda: of(lambda: pm.Normal("z", shape=0)), "'z': there is no entry"),
    "chain": (lambda: of(lambda: pm.Normal("chain")), "'chain', as a dim of every fit"),
    "draw": (lambda: recorded("draw", np.zeros(2)), "'draw', as a dim of every fit"),
    "a name of half a pair": (lambda: of(lambda: pm.Normal("x\ud800")), "cannot be stored"),
    "data of half a pair": (lambda: of(lambda: pm.Data("x\ud800", [1.0])), "cannot be stored"),
    "a name with a zero byte": (lambda: of(lambda: pm.Normal("x\0")), "cannot be stored"),
    "no name": (lambda: of(lambda: pm.Normal("")), "cannot be stored"),
    "a dot": (lambda: of(lambda: pm.Normal(".")), "cannot be stored"),
    "a dim with a slash": (lambda: with_labels([1, 2], dim="a/b"), "cannot be stored"),
    "a dim without a name": (lambda: with_labels([1, 2], dim=""), "cannot be stored"),
    "a dim of the same name": (
        lambda: of(lambda: pm.Normal("x", shape=2), lambda: pm.Normal("x_dim_0")),
        "both called 'x_dim_0'",
    ),
    "a dim twice": (twice, "has a dim twice"),
    "all hidden": (hidden, "start with an underscore"),
    "flat": (lambda: of(lambda: pm.Flat("x")), "does not depend on 'x'"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_sampled_or_stored_is_refused_before_sampling(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "twinbayes.inference.samplers.nutpie.NutpieCompiled._run",
        lambda *_, **__: pytest.fail("sampled"),
    )
    make, words = REFUSED[why]
    with pytest.raises(ModelError, match=words):
        tb.fit(make(), **RUN)


def test_a_flat_variable_is_refused_by_the_sampler_of_pymc_too() -> None:
    with pytest.raises(ModelError, match="does not depend on 'x'"):
        tb.fit(of(lambda: pm.Flat("x")), sampler="pymc", cores=1, **RUN)


@pytest.mark.parametrize(
    "labels",
    [
        ["a", ""], ["ä", "a long one"], [1, 2], [1, 2.5], [True, False], [np.nan, np.inf],
        np.array([2**63 + 1, 1], "u8"), np.array([1, 2.1], "f4"), pd.Categorical(["a", "b"]),
        [timedelta(1), timedelta(2)], ["a", "a"],
    ],
    ids=str,
)  # fmt: skip
def test_labels_that_are_taken_come_back_from_the_file(labels: Any, tmp_path: Path) -> None:
    found = tb.fit(with_labels(labels), **RUN)
    again = tb.load_fit(found.save(tmp_path / "model.nc"))
    xr.testing.assert_identical(
        again.datatree["posterior"].to_dataset(), found.datatree["posterior"].to_dataset()
    )


def test_what_no_draw_is_labelled_with_may_be_dates_or_nothing() -> None:
    require_plain_model(seen_by(pd.date_range("2020", periods=2)))
    with pm.Model(coords={"unused": []}) as model:
        pm.Normal("mu")
    require_plain_model(model)
