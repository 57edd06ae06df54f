"""The section of a review about sites, and what a fit of sites cannot be asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

import twinbayes as tb
from twinbayes.checks.borrowing.shares import treatment_borrowing
from twinbayes.errors import FitError
from twinbayes.inference.densities.log_prior import summed_likelihood
from twinbayes.names import FEDERATION
from twinbayes.report.sites import sites_of

TOLD = {
    "sites": ["north", "south", "west"],
    "study": "0" * 64,
    "minimum": 5,
    "held_back": ["beta[rare, alive->dead]"],
    "certificate": {"pareto_k": 0.31, "ess": 3100.0, "parts": 1, "draws": 4000},
    "rounds": [
        {"kind": "labels", "numbers": {}},
        {"kind": "score", "numbers": {"north": 36000, "south": 36000, "west": 36000}},
    ],
}


@pytest.fixture
def federated(fit: tb.Fit) -> tb.Fit:
    return replace(fit, manifest={**fit.manifest, FEDERATION: TOLD})


def _shown(fit: tb.Fit) -> str:
    return sites_of(fit, 0.9, "credible interval").html


def test_a_federated_fit_says_whose_patients_it_has_seen_and_what_left_them(federated):
    shown = _shown(federated)
    for said in (
        "north, south, west",
        "0.31",
        "3100",
        "36000",
        "at least 5",
        "no site tells: 1",
        "beta[rare",
    ):
        assert said in shown.replace(",000", "000")
    assert not _shown(replace(federated, manifest={**federated.manifest, FEDERATION: None}))


def test_a_federated_fit_is_not_asked_what_only_all_records_can_tell(federated):
    assert federated.sites == ("north", "south", "west")
    for ask in (treatment_borrowing, summed_likelihood):
        with pytest.raises(FitError, match="3 sites"):
            ask(federated)
