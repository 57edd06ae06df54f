"""What messages repeat of a value that makes no sense, and what they never may."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinbayes as tb
from twinbayes.effects import Estimand
from twinbayes.effects.estimand import Target
from twinbayes.errors import TwinbayesError, told
from twinbayes.inference import Fit
from twinbayes.report import collect, twin_report
from twinbayes.report.patient.evidence import collect_patient
from twinbayes.twin import Quality, Scenario

ID = "SIM00001"


@cache
def fit() -> Fit:
    found = tb.load_fit(Path(__file__).parent / "data" / "registry_fit.nc")
    assert isinstance(found, Fit)
    return found


@cache
def patient() -> str:
    return fit().cohort.patient_ids[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"), (True, "True"), (-1.5, "-1.5"), (float("nan"), "nan"),
        ((1, 2.5), "(1, 2.5)"), (ID, "a str"), ({ID: 1}, "a dict"), ([ID], "a list"),
        ((1, ID), "a tuple"), ((), "a tuple"), (np.array([1.0]), "a ndarray"),
    ],
)  # fmt: skip
def test_numbers_are_told_and_of_all_else_the_type(value: object, words: str) -> None:
    assert told(value) == words


ASKED: dict[str, Callable[[Any], object]] = {
    "landmark": lambda odd: fit().twin(patient(), at=odd),
    "draws": lambda odd: fit().twin(patient(), draws=odd),
    "thinned": lambda odd: fit().thinned(odd),
    "until": lambda odd: fit().twin(patient()).forecast(odd),
    "grid": lambda odd: fit().twin(patient()).forecast(100.0, grid=odd),
    "interval": lambda odd: fit().twin(patient()).forecast(100.0, interval=odd),
    "scenario": lambda odd: fit().twin(patient()).forecast(100.0, scenario=odd),
    "combined": lambda odd: Scenario.policy() & odd,
    "day": lambda odd: Scenario.start("x", day=odd),
    "level": lambda odd: Scenario.given("x", odd if isinstance(odd, dict) else [odd]),  # type: ignore[arg-type]
    "quality": lambda odd: fit().twin(patient()).quality_adjusted_time(odd, 100.0),
    "utility": lambda odd: Quality(utilities={"ill": odd}),
    "scale": lambda odd: Quality(marker="x", scale=odd),
    "record": lambda odd: fit().cohort.until(odd if isinstance(odd, str) else {patient(): odd}),
    "target": lambda odd: Target(landmark=odd),
    "target of one": lambda odd: Target(patients=odd if isinstance(odd, str) else ID),  # type: ignore[arg-type]
    "times": lambda odd: Estimand(
        a=Scenario.policy(), b=Scenario.policy(), times=odd, summary="risk_ratio"
    ),
    "reviewed": lambda odd: collect(fit(), interval=odd),
    "horizon": lambda odd: collect_patient(fit(), patient(), until=odd),
}  # fmt: skip


@pytest.mark.parametrize("odd", [ID, {ID: 1}], ids=["text", "mapping"])
@pytest.mark.parametrize("asked", ASKED)
def test_no_message_repeats_what_may_be_an_identifier(asked: str, odd: object) -> None:
    with pytest.raises(TwinbayesError) as caught:
        ASKED[asked](odd)
    assert ID not in str(caught.value)


@pytest.mark.parametrize("make", [tb.review, partial(twin_report, who=ID)])
@pytest.mark.parametrize("given", [None, "fit.nc", {}])
def test_a_report_of_no_fit_is_refused(
    make: Callable[..., object], given: object, tmp_path: Path
) -> None:
    with pytest.raises(TwinbayesError, match=r"a fit .*from `fit` or `load_fit`"):
        make(given, out=tmp_path / "x.html")
    assert not list(tmp_path.iterdir())
