"""A fit that was saved by an earlier state of the package loads, and forecasts what it forecast.

`tests/data/registry_fit.nc` has ten draws of the simulated registry's model for 16 simulated
patients, saved before the package was laid out in rooms; the numbers beside it are what that code
made of the file. On the machine that wrote them they come out to the last bit; other processors sum
in another order. Random numbers are seeded by the identifier as well since: of what the fit is
silent on (a missing covariate, errors of markers) the numbers are those of the code that does so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinbayes as tb
from twinbayes.inference import Fit

DATA = Path(__file__).resolve().parents[1] / "data"
#: What is summed over paths is in single precision, a unit of which is 6e-8 next to 1.
SINGLE = 2e-7


@pytest.fixture(scope="module")
def fit() -> Fit:
    found = tb.load_fit(DATA / "registry_fit.nc")
    assert isinstance(found, Fit)
    return found


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "registry_fit_forecasts.json").read_text())
    return found


def test_its_model_is_the_registrys_with_the_parametrisation_of_then(fit: Fit) -> None:
    """Whether walks were centred was set by hand then; it is chosen from the data since."""
    assert fit.manifest["spec_hash"] == fit.spec.content_hash
    stored, now = fit.spec.to_dict(), tb.disease("registry").to_dict()
    assert _without(stored, "centred") == _without(now, "centred")
    assert _without(now, "centred") == now


def _without(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        return {key: _without(value, name) for key, value in node.items() if key != name}
    return [_without(value, name) for value in node] if isinstance(node, list) else node


def test_its_draws_have_the_same_likelihood(fit: Fit, numbers: dict[str, Any]) -> None:
    found = fit.log_likelihood().to_numpy()[:, :, :3]
    np.testing.assert_allclose(found, numbers["log_likelihood"], rtol=1e-10)


@pytest.mark.parametrize(("name", "at"), [("as_they_stand", None), ("at_origin", 0.0)])
def test_its_twins_forecast_the_same(
    fit: Fit, numbers: dict[str, Any], name: str, at: float | None
) -> None:
    twin = fit.twin(list(fit.cohort.patient_ids[:3]), at=at).as_drawn()
    forecast = twin.forecast(until=1000, grid=4)
    for variable, wanted in numbers[name].items():
        np.testing.assert_allclose(
            forecast[variable], wanted, rtol=1e-5, atol=SINGLE, err_msg=variable
        )
