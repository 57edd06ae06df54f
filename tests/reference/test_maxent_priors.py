"""Priors of maximum entropy from an interval and a mass, against published figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinbayes.priors import FAMILIES, Expert
from twinbayes.priors.elicitation.elicit import fit_expert

Reference = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize("row", range(6))
def test_an_interval_with_its_mass_gives_the_published_distribution(
    reference: Reference, row: int
) -> None:
    pytest.importorskip("preliz")
    case = reference("maxent_priors")
    family, mass, lower, upper = case["data"]["table"]["rows"][row]
    expected = case["expected"][row]
    name = family.split()[0]
    assert expected["quantity"].startswith(name)
    expert = Expert(role="anybody", values=(lower, upper), probabilities=(mass,))
    found = fit_expert(expert, "interval", name)
    assert list(found) == list(FAMILIES[name].arguments)
    tolerance = expected["tolerance"]["value"]
    np.testing.assert_allclose(list(found.values()), np.ravel(expected["value"]), atol=tolerance)


def test_every_row_of_the_case_is_covered(reference: Reference) -> None:
    assert len(reference("maxent_priors")["expected"]) == 6
