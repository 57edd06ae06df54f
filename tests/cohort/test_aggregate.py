"""Results of subgroups: what is read, and what is refused with every fault named."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort.aggregate import OUTCOMES, RULES
from twinbayes.errors import CohortError, ModelError, OptionError

GOOD = {
    "response": {"responders": [2, 0, 12], "n": [15, 13, 12]},
    "mean": {"mean": [-1.0, 0.0, 2.5], "se": [0.1, 0.2, 0.3]},
    "rate": {"events": [3, 0, 8], "time": [10.5, 4.0, 7.0]},
    "log_hazard_ratio": {"estimate": [-0.5, 0.0, 0.1], "se": [0.1, 0.2, 0.3]},
}


def table(outcome: str = "response", **changed: object) -> pd.DataFrame:
    return pd.DataFrame({"subgroup": ["a", "b", "c"], **GOOD[outcome], **changed})


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_good_results_of_every_kind_are_read(outcome: str, tmp_path: Path) -> None:
    path = tmp_path / "my trial.csv"
    table(outcome).to_csv(path, index=False)
    read = tb.read_aggregate(path, outcome=outcome)
    assert read.subgroups == ("a", "b", "c")
    assert read.name == "my trial"
    assert read.fingerprint == tb.read_aggregate(table(outcome), outcome=outcome).fingerprint
    assert "3 subgroups in 3 rows" in repr(read)


@pytest.mark.parametrize(
    ("outcome", "changed", "rule", "row", "column"),
    [
        ("response", {"responders": [2, 14, 1]}, "responders-above-n", 3, "responders"),
        ("response", {"responders": [2, -1, 1]}, "negative", 3, "responders"),
        ("response", {"n": [15.5, 13, 12]}, "count-whole", 2, "n"),
        ("response", {"n": [15, None, 12]}, "blank", 3, "n"),
        ("response", {"n": [15, "many", 12]}, "not-a-number", 3, "n"),
        ("response", {"n": [15, [1], 12]}, "not-a-cell", 3, "n"),
        ("response", {"n": [15, 10**400, 12]}, "not-a-cell", 3, "n"),
        ("response", {"n": ["15", "2020-03-01", "12"]}, "calendar-date", 3, "n"),
        ("response", {"subgroup": ["a", " ", "c"]}, "padded", 3, "subgroup"),
        ("response", {"subgroup": ["a", "", "c"]}, "blank", 3, "subgroup"),
        ("response", {"subgroup": ["a", "NA", "c"]}, "blank", 3, "subgroup"),
        ("response", {"subgroup": ["a", "None", "c"]}, "missing-code", 3, "subgroup"),
        (
            "response",
            {"subgroup": pd.Series(["a", "\ud800", "c"], dtype=object)},
            "not-a-cell",
            3,
            "subgroup",
        ),
        ("response", {"subgroup": [1.0, 2.0, 3.5]}, "not-text", 3, "subgroup"),
        ("mean", {"se": [0.1, 0.0, 0.3]}, "se-positive", 3, "se"),
        ("mean", {"mean": [1.0, float("inf"), 0.0]}, "not-finite", 3, "mean"),
        ("rate", {"time": [0.0, 4.0, 7.0]}, "time-zero", 2, "time"),
        ("rate", {"time": [1.0, 4.0, -7.0]}, "negative", 4, "time"),
        ("log_hazard_ratio", {"se": [-0.1, 0.2, 0.3]}, "se-positive", 2, "se"),
    ],
)
def test_each_fault_is_named_with_place_rule_and_remedy(
    outcome: str, changed: dict[str, object], rule: str, row: int, column: str
) -> None:
    with pytest.raises(CohortError) as caught:
        tb.read_aggregate(table(outcome, **changed), outcome=outcome)
    faults = caught.value.faults
    assert faults is not None
    found = next(f for f in faults[faults["rule"] == rule].to_dict("records") if f["row"] == row)
    assert (found["table"], found["row"], found["column"]) == ("results", row, column)
    assert found["remedy"] == RULES[rule]


def test_all_faults_are_told_at_once() -> None:
    bad = table(responders=[-1, 14, 1.5], n=[15, 13, None])
    with pytest.raises(CohortError) as caught:
        tb.read_aggregate(bad)
    assert caught.value.faults is not None
    assert set(caught.value.faults["rule"]) == {
        "negative", "responders-above-n", "count-whole", "blank",
    }  # fmt: skip


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no rows"):
        tb.read_aggregate(table().iloc[:0])
    with pytest.raises(CohortError, match="missing: n"):
        tb.read_aggregate(table().drop(columns="n"))
    with pytest.raises(CohortError, match=r"There is no file 'x\.csv'"):
        tb.read_aggregate(tmp_path / "x.csv")
    with pytest.raises(OptionError, match="Known: 'response'"):
        tb.read_aggregate(table(), outcome="odds")
    with pytest.raises(CohortError, match="missing: age"):
        tb.read_aggregate(table(), covariates=("age",))


def test_a_file_that_is_no_table_and_columns_that_are_no_covariates_are_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "blank.csv").write_text("")
    with pytest.raises(CohortError, match="results: file-empty: it has no header"):
        tb.read_aggregate(tmp_path / "blank.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(CohortError, match="There is no file"):
        tb.read_aggregate(tmp_path / "pipe.csv")
    for wrong in (("n",), ("x", "x"), "x"):
        with pytest.raises(OptionError, match="name each further column once"):
            tb.read_aggregate(table(x=[0, 1, 2]), covariates=wrong)


@pytest.mark.parametrize(
    ("text", "rule", "row"),
    [
        ("subgroup,responders,n\na,2,15\nb,0,13,7\n", "row-length", 3),
        ("subgroup,responders,n\na,2,15,1\nb,0,13,7\n", "row-length", 2),
        ("subgroup,responders,n\na,2\n", "row-length", 2),
        ("subgroup,n,responders,n\na,15,2,30\n", "column-twice", None),
        ("subgroup;responders;n\na;2;15\n", "delimiter", None),
        ('subgroup,responders,n\n"a,2,15\n', "file-unreadable", None),
        ("subgroup,responders,n\na,2," + "7" * 20_000 + "x\n", "not-a-number", 2),
        ("subgroup,responders,n\nNone,2,15\n", "missing-code", 2),
    ],
)
def test_files_are_read_as_strictly_as_those_of_cohorts(
    text: str, rule: str, row: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "trial.csv"
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(CohortError) as caught:
        tb.read_aggregate(path)
    assert time.process_time() - begun < 5.0
    assert caught.value.faults is not None
    found = caught.value.faults[caught.value.faults["rule"] == rule]
    assert found["row"].isna().all() if row is None else row in set(found["row"])
    assert set(found["remedy"]) == {RULES[rule]}


def test_a_file_in_another_encoding_is_refused_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "trial.csv"
    path.write_bytes("subgroup,responders,n\nKöln,2,15\n".encode("latin-1"))
    with pytest.raises(CohortError, match="results: encoding"):
        tb.read_aggregate(path)
    path.write_text("subgroup,responders,n\n\nKöln,2,15\n,,\nNone here,1,7\n", encoding="utf-8")
    assert tb.read_aggregate(path).subgroups == ("Köln", "None here")


def test_other_columns_are_counted_and_only_slips_are_repeated() -> None:
    wrong = table().rename(columns={"responders": "Responder"}).assign(Hildegard_Secret=1)
    with pytest.raises(CohortError) as caught:
        tb.read_aggregate(wrong)
    assert "Is 'Responder' meant for 'responders'?" in str(caught.value)
    assert "2 others" in str(caught.value)
    assert "Hildegard" not in str(caught.value)


def test_strategies_that_are_none_and_names_that_models_use_are_refused() -> None:
    with pytest.raises(OptionError, match="neither a strategy nor the name of one"):
        tb.disease("basket", pooling=3)
    data = tb.read_aggregate(table(effect=[0, 1, 2]), covariates=("effect",))
    with pytest.raises(ModelError, match="Rename the column"):
        tb.fit(tb.disease("basket", covariates=("effect",)), data, progressbar=False)
