"""Clinical JSON with any damage is a cohort or one error, and names no patient."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fhir_files as fhir
import phenopacket_files as packets
import twinbayes as tb
from clinical_cohort import few_patients
from twinbayes.errors import CohortError

SOME: dict[str, Any] = {}
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**30), st.floats(allow_nan=False),
    st.text(max_size=4),
    st.sampled_from([[], {}, [[]], [None], {"a": []}, "2019-05", "x" * 300, [{}], {"id": 1},
                     {"reference": []}, {"coding": {}}, {"coding": [7]}, "\ud800", 1e308]),
)  # fmt: skip


def original(kind: str) -> Any:
    """Few patients as FHIR, or as phenopackets; made once."""
    if kind not in SOME:
        cohort = few_patients(4)
        made = {"fhir": fhir, "packets": packets}[kind]
        content: Any = made.resources_of(cohort) if kind == "fhir" else made.packets_of(cohort)
        if kind == "fhir":
            labs = content["Observation"]
            content["Observation"] = labs[:3] + labs[-6:]
        SOME[kind] = cohort, content, made.mapping_of(cohort)
    return SOME[kind]


def places_of(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if (
        isinstance(value, list)
    ) else ()  # fmt: skip
    return [place, *(p for key, part in parts for p in places_of(part, (*place, key)))]


def damaged(content: Any, data: st.DataObject) -> Any:
    """Some parts exchanged for anything, taken out, or said again."""
    content = copy.deepcopy(content)
    for _ in range(data.draw(st.integers(1, 2))):
        *keys, last = data.draw(st.sampled_from(places_of(content)[1:]))
        part = content
        for key in keys:
            part = part[key]
        how = data.draw(st.sampled_from(["junk", "junk", "out", "again"]))
        if how == "junk":
            part[last] = data.draw(JUNK)
        elif how == "out":
            del part[last]
        elif isinstance(part, list):
            part.append(copy.deepcopy(part[last]))
    return content


def hold(source: Path, mapping: Path, patients: tuple[str, ...]) -> None:
    told: list[str] = []
    try:
        cohort = tb.import_cohort(source, mapping, tell=told.append)
    except CohortError as error:
        told.append(f"{error}\n{error.faults}")
    else:
        assert cohort.n_patients >= 1
    assert not [patient for patient in patients if patient in told[0]]
    assert not re.search(r"\d{4}-\d\d-\d\d", told[0])


def check_structure(kind: str, folder: Path, data: st.DataObject) -> None:
    cohort, content, mapping = original(kind)
    content = damaged(content, data)
    if kind == "packets":
        made = packets.write_mapping(folder, mapping)
        (folder / "all.json").write_text(json.dumps(content))
        hold(folder / "all.json", made, cohort.patient_ids)
        return
    made = fhir.write_mapping(folder, mapping)
    several = {kind: own for kind, own in content.items() if isinstance(own, list)}
    source = folder / "export"
    source.mkdir()
    for kind_, own in several.items():
        (source / f"{kind_}.ndjson").write_text("\n".join(json.dumps(one) for one in own))
    hold(source, made, cohort.patient_ids)


def check_bytes(kind: str, folder: Path, data: st.DataObject) -> None:
    cohort, content, mapping = original(kind)
    made = (fhir if kind == "fhir" else packets).write_mapping(folder, mapping)
    whole = fhir.bundle_of(content) if kind == "fhir" else content
    raw = json.dumps(whole).encode()
    start = data.draw(st.integers(0, len(raw)))
    put = data.draw(st.binary(max_size=6))
    raw = raw[:start] + put + raw[start + data.draw(st.integers(0, 12)) :]
    (folder / "all.json").write_bytes(raw)
    hold(folder / "all.json", made, cohort.patient_ids)


ANY = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", ["fhir", "packets"])
@settings(ANY, max_examples=3)
@given(data=st.data())
def test_any_part_may_be_anything(kind: str, tmp_path_factory: Any, data: st.DataObject) -> None:
    check_structure(kind, tmp_path_factory.mktemp("any"), data)


@pytest.mark.parametrize("kind", ["fhir", "packets"])
@settings(ANY, max_examples=3)
@given(data=st.data())
def test_any_bytes_may_be_others(kind: str, tmp_path_factory: Any, data: st.DataObject) -> None:
    check_bytes(kind, tmp_path_factory.mktemp("any"), data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fhir", "packets"])
@settings(ANY, max_examples=150)
@given(data=st.data())
def test_very_many_parts_may_be_anything(
    kind: str, tmp_path_factory: Any, data: st.DataObject
) -> None:
    check_structure(kind, tmp_path_factory.mktemp("any"), data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fhir", "packets"])
@settings(ANY, max_examples=100)
@given(data=st.data())
def test_very_many_bytes_may_be_others(
    kind: str, tmp_path_factory: Any, data: st.DataObject
) -> None:
    check_bytes(kind, tmp_path_factory.mktemp("any"), data)
