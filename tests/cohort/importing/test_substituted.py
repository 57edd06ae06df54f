"""Numbers that stand for limits of quantification: as the mapping says, and counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from twinbayes.cohort.importing.running import Import, run_import
from twinbayes.errors import CohortError

CELLS = ("30,0", "<5", "<5", "", "<0,5", "12")


def imported(
    folder: Path, limits: Any, *, cells: tuple[str, ...] = CELLS, unit: str = "mg/L", **more: Any
) -> Import:
    lines = [f"p{k};{cell};{10 + k};M" for k, cell in enumerate(cells)]
    (folder / "export.csv").write_text("\n".join(["id;FLC;seen;sex", *lines]) + "\n")
    cell = {"column": "FLC", "unit": unit} | ({} if limits is None else {"limits": limits}) | more
    described = {
        "schema": "twinbayes/mapping/v1", "name": "light_chains", "simulated": True, "decimal": ",",
        "tables": {
            "patients": {"table": "export",
                         "columns": {"patient_id": "id", "subgroup": {"constant": "one"},
                                     "centre": {"constant": "one"}, "flc": cell}},
            "events": {"table": "export", "columns": {"patient_id": "id"},
                       "closing": {"last_contact": "seen"}},
        },
        "variables": {"flc": {"table": "patients", "group": "clinical", "unit": "mg/L"}},
    }  # fmt: skip
    (folder / "map.yaml").write_text(yaml.safe_dump(described))
    return run_import(folder / "export.csv", folder / "map.yaml")


def values_of(done: Import) -> list[float | None]:
    by_patient = done.cohort.patients.set_index("patient_id")["flc"]
    cells = (float(by_patient[f"p{k}"]) for k in range(len(by_patient)))
    return [None if math.isnan(v) else v for v in cells]


@pytest.mark.parametrize(
    ("limits", "of_5", "of_half"),
    [
        ("half", 2.5, 0.25),
        ("root-two", 3.535533905932738, 0.3535533905932738),
        ("bound", 5.0, 0.5),
        ({"<5": 3.5, "<0,5": 0.1}, 3.5, 0.1),
    ],
)
def test_limits_become_the_numbers_that_the_mapping_says_and_are_counted(
    tmp_path: Path, limits: Any, of_5: float, of_half: float
) -> None:
    done = imported(tmp_path, limits)
    assert values_of(done) == pytest.approx([30.0, of_5, of_5, None, of_half, 12.0], abs=1e-12)
    told = done.ledger.to_dict()["substituted"]
    wanted = [("export.csv", "FLC", "<5", of_5, 2), ("export.csv", "FLC", "<0,5", of_half, 1)]
    assert [tuple(row.values()) for row in told] == [
        (*place, pytest.approx(number), n) for *place, number, n in wanted
    ]
    assert f"Substituted in export.csv, FLC: {of_5:.6g} for '<5' in 2 cells\n" in str(done.ledger)


def test_what_stands_for_a_limit_is_in_the_unit_of_the_column(tmp_path: Path) -> None:
    done = imported(tmp_path, {"<5": 3.5, "<0,5": 0.1}, unit="g/L")
    assert values_of(done) == pytest.approx([30e3, 3.5e3, 3.5e3, None, 100.0, 12e3])


def test_limits_go_beside_values_of_other_cells(tmp_path: Path) -> None:
    cells = ("<5", "low", "low", "<5", "low", "low")
    done = imported(tmp_path, "half", cells=cells, values={"low": 6})
    assert values_of(done) == [2.5, 6.0, 6.0, 2.5, 6.0, 6.0]


@pytest.mark.parametrize(
    ("limits", "cell"), [(None, "<5"), ({"<4": 2}, "<5"), ("half", ">200"), ("half", "<five")]
)
def test_a_limit_of_which_nothing_is_said_is_refused_with_the_key_that_says_it(
    tmp_path: Path, limits: Any, cell: str
) -> None:
    with pytest.raises(CohortError) as caught:
        imported(tmp_path, limits, cells=("30,0", cell))
    faults = caught.value.faults
    assert faults is not None
    assert faults[["row", "column", "rule"]].to_numpy().tolist() == [[3, "FLC", "limit-misplaced"]]
    assert "limits: half" in faults["remedy"][0]


@pytest.mark.parametrize("limits", [{"low": 2}, {"<": 2}, "third", 2, {"<5": "two"}])
def test_what_is_no_limit_or_no_number_for_it_is_refused_in_the_mapping(
    tmp_path: Path, limits: Any
) -> None:
    with pytest.raises(CohortError) as caught:
        imported(tmp_path, limits)
    faults = caught.value.faults
    assert faults is not None
    assert faults["rule"].tolist() == ["value-kind"]
    assert ".columns.flc.limits" in faults["column"][0]


def test_what_keeps_its_limits_or_is_no_number_has_none_substituted(tmp_path: Path) -> None:
    imported(tmp_path, "half")
    described = yaml.safe_load((tmp_path / "map.yaml").read_text())
    described["variables"] |= {
        "igg": {"table": "visits"},
        "sex": {"table": "patients", "group": "clinical", "levels": ["M"]},
    }
    described["tables"]["patients"]["columns"]["sex"] = {"column": "sex", "limits": "half"}
    described["tables"]["visits"] = {
        "table": "export",
        "columns": {"patient_id": "id", "day": {"constant": 1}},
        "markers": {"igg": {"column": "FLC", "limits": "half"}},
    }
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(described))
    with pytest.raises(CohortError) as caught:
        run_import(tmp_path / "export.csv", tmp_path / "map.yaml")
    faults = caught.value.faults
    assert faults is not None
    assert faults["rule"].tolist() == ["contradiction"] * 2
    assert sorted(faults["column"]) == [
        "tables.patients[1].columns.sex.limits", "tables.visits[1].markers.igg.limits"
    ]  # fmt: skip
