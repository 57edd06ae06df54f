"""Simple FHIRPath: our functions give what fhirpathpy gives, on views and on any resource."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinbayes.cohort.importing.readers.clinical_json import flattening
from twinbayes.cohort.importing.readers.clinical_json.fhirpath import (
    PathError,
    by_fhirpathpy,
    compiled,
)
from twinbayes.cohort.importing.readers.clinical_json.fhirpath_syntax import NotSimpleError, parsed
from twinbayes.cohort.importing.readers.clinical_json.flattening import Flattening
from twinbayes.cohort.importing.readers.clinical_json.references import References
from twinbayes.cohort.importing.readers.clinical_json.times import Clocks
from twinbayes.cohort.importing.readers.clinical_json.views import View, packaged_views

pytest.importorskip("fhirpathpy")


def optional(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=parts)


WORDS = st.sampled_from(["a", "b", "final", "completed", "refuted", "entered-in-error", "active"])
SYSTEMS = st.sampled_from(["http://loinc.org", "http://snomed.info/sct", "http://x.example",
                           "http://www.whocc.no/atc",
                           "http://hl7.org/fhir/sid/icd-10"])  # fmt: skip
DATES = st.sampled_from(["2019-05-03", "2019-05", "2019-05-03T10:00:00+02:00", "2020"])
NUMBERS = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, 1.1, 7.25]))
CODING = optional(system=SYSTEMS, code=WORDS, display=WORDS)
CONCEPT = optional(coding=st.lists(CODING, max_size=3), text=WORDS)
PERIOD = optional(start=DATES, end=DATES)
QUANTITY = optional(
    value=NUMBERS, comparator=st.sampled_from(["<", ">="]), unit=WORDS, code=WORDS,
    system=st.sampled_from(["http://unitsofmeasure.org", "http://x.example"]),
)  # fmt: skip
REFERENCE = optional(
    reference=st.sampled_from(["Patient/1", "Group/2", "Encounter/e", "Patient/1/_history/3"]),
    display=WORDS,
)
STATUS = st.sampled_from(["final", "amended", "completed", "active", "finished", "cancelled"])


def of_types(name: str, **types: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An element of one of several types, or none."""
    named = [st.fixed_dictionaries({name + kind[0].upper() + kind[1:]: one})
             for kind, one in types.items()]  # fmt: skip
    return st.one_of(st.just({}), *named)


VALUE = of_types("value", Quantity=QUANTITY, CodeableConcept=CONCEPT, string=WORDS,
                 boolean=st.booleans(), integer=st.integers(0, 9))  # fmt: skip
WHEN = {"dateTime": DATES, "Period": PERIOD}
COMPONENT = st.tuples(optional(code=CONCEPT, dataAbsentReason=CONCEPT), VALUE).map(
    lambda parts: parts[0] | parts[1]
)
PARTS = optional(
    id=WORDS, status=STATUS, gender=WORDS, birthDate=DATES, active=st.booleans(), code=CONCEPT,
    subject=REFERENCE, encounter=REFERENCE, context=REFERENCE, managingOrganization=REFERENCE,
    serviceProvider=REFERENCE, verificationStatus=CONCEPT, clinicalStatus=CONCEPT,
    outcome=CONCEPT, dataAbsentReason=CONCEPT, period=PERIOD, recordedDate=DATES,
    component=st.lists(COMPONENT, max_size=2),
    stage=st.lists(optional(summary=CONCEPT), max_size=2),
    identifier=st.lists(optional(system=SYSTEMS, value=WORDS), max_size=2),
)  # fmt: skip
SEVERAL = {"category": CONCEPT, "type": CONCEPT}
CHOICES = st.tuples(
    VALUE, of_types("effective", **WHEN), of_types("onset", **WHEN), of_types("abatement", **WHEN),
    of_types("performed", **WHEN), of_types("deceased", boolean=st.booleans(), dateTime=DATES),
    of_types("medication", CodeableConcept=CONCEPT, Reference=REFERENCE),
)  # fmt: skip


@st.composite
def resources(draw: Any, view: View) -> dict[str, Any]:
    """A resource of the type of a view, with any of the elements that views read."""
    out = {"resourceType": view.resource, **draw(PARTS)}
    for part in draw(CHOICES):
        out |= part
    for name, one in SEVERAL.items():
        if name != "type" or view.resource == "Encounter":
            out[name] = draw(st.lists(one, max_size=2))
    if view.resource == "MedicationAdministration":
        out["dosage"] = draw(optional(dose=QUANTITY))
    if view.resource == "MedicationStatement":
        dose = of_types("dose", Quantity=QUANTITY)
        out["dosage"] = draw(st.lists(optional(doseAndRate=st.lists(dose, max_size=2)), max_size=2))
    if view.resource == "Encounter":
        out["class"] = draw(CODING)
    return out


def plain(value: Any) -> Any:
    """Values as JSON has them: fhirpathpy makes decimals of fractions."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return float(value) if isinstance(value, Decimal) else value


def paths_of(select: Any) -> list[str]:
    out = [select[key] for key in ("forEach", "forEachOrNull") if key in select]
    out += [column["path"] for column in select.get("column", ())]
    return out + [
        path for key in ("select", "unionAll") for part in select.get(key, ())
        for path in paths_of(part)
    ]  # fmt: skip


@cache
def both_ways(name: str) -> tuple[Flattening, Flattening]:
    """A packaged view compiled by us, and by fhirpathpy."""
    view = next(view for view in packaged_views() if view.name == name)
    own = Flattening(view, References(), Clocks(), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flattening, "compiled", by_fhirpathpy)
        return own, Flattening(view, References(), Clocks(), None)


def rows(way: Flattening, resource: dict[str, Any]) -> Any:
    try:
        return plain(way.rows_of(copy.deepcopy(resource)))
    except PathError:
        return PathError


def test_every_path_of_a_packaged_view_is_simple() -> None:
    assert len(packaged_views()) == 7
    for view in packaged_views():
        for path in [*view.where, *(p for part in view.select for p in paths_of(part))]:
            parsed(path)


def compare(data: st.DataObject) -> None:
    for view in packaged_views():
        resource = data.draw(resources(view))
        own, other = (rows(way, resource) for way in both_ways(view.name))
        assert own == other, (view.name, resource)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_packaged_views_give_what_fhirpathpy_gives(data: st.DataObject) -> None:
    compare(data)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_packaged_views_give_what_fhirpathpy_gives_on_very_many_resources(
    data: st.DataObject,
) -> None:
    compare(data)


OBSERVATION = {
    "resourceType": "Observation", "id": "o", "status": "final",
    "code": {"coding": [{"system": "s", "code": "c", "display": "C"}, {"code": "d"}], "text": "t"},
    "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2019-05-03",
    "valueQuantity": {"value": 1.5, "comparator": "<", "code": "g/dL"},
    "component": [{"code": {"text": "a"}, "valueInteger": 3}, {"valueString": "s"}],
    "extension": [{"url": "http://x.example/line", "valueInteger": 2},
                  {"url": "http://x.example/flag", "valueBoolean": False}],
    "note": [{"text": "n"}], "category": [{"text": "x"}, {"text": "x"}],
}  # fmt: skip


@pytest.mark.parametrize("path", [
    "id", "Observation.id", "Patient.id", "nothing", "code.coding.code", "code.coding[1].code",
    "code.coding[7].code", "code.coding.first().code", "code.coding.last().code",
    "code.coding.where(system = 's').code", "code.coding.where(system != 's').code",
    "code.coding.where(system.exists()).display", "code.coding.where(system.empty()).code",
    "code.coding.exists(code = 'd')", "code.coding.exists()", "code.coding.code.join(', ')",
    "nothing.join(', ')", "code.coding.select(system & '|' & code)", "value", "value.value",
    "value.ofType(Quantity).value", "value.ofType(string)", "component.value",
    "component.value.ofType(integer)", "effective.ofType(Period).start", "status = 'final'",
    "status != 'final'", "nothing = 'x'", "nothing != 'x'", "(nothing = 'x').not()",
    "nothing = 'x' and true", "nothing = 'x' and false", "nothing = 'x' or true",
    "nothing = 'x' or false", "code.coding.code = 'c'", "value.ofType(Quantity).value = 1.5",
    "value.ofType(Quantity).value = 2", "value.ofType(Quantity).value.toString()",
    "code.text.toString()", "nothing.toString()", "extension.value.where($this = 2)",
    "extension.where($this = true)", "extension.where(url = 'http://x.example/line').value",
    "extension('http://x.example/flag').value.ofType(boolean)", "extension('none').value",
    "category.text | note.text", "category.text | category.text", "('a' | 'b').first()",
    "subject.getReferenceKey(Patient)", "subject.getReferenceKey(Group)", "getResourceKey()",
    "subject.getReferenceKey()", "status = 'a' or status = 'final' and nothing.empty()",
    "where(status = 'final').code.text", "component.where(value.exists()).code.text",
])  # fmt: skip
def test_a_simple_path_gives_what_fhirpathpy_gives(path: str) -> None:
    own, other = (
        plain(way(path, {}, References())([copy.deepcopy(OBSERVATION)]))
        for way in (compiled, by_fhirpathpy)
    )
    parsed(path)
    assert own == other
    assert [type(item) for item in own] == [type(item) for item in other]


@pytest.mark.parametrize("path", ["code.coding.code & 'x'", "value.ofType(Quantity).value & 'x'"])
def test_what_has_no_sense_is_an_error_both_ways(path: str) -> None:
    for way in (compiled, by_fhirpathpy):
        with pytest.raises(PathError):
            way(path, {}, References())([copy.deepcopy(OBSERVATION)])


@pytest.mark.parametrize(
    ("path", "found"),
    [("code.coding.count()", [2]), ("status.upper()", ["FINAL"]), ("value.value > 1", [True]),
     ("iif(status = 'final', 1, 2)", [1]), ("code.coding.code.distinct()", ["c", "d"]),
     ("component.value.ofType(integer) + 1", [4])],
)  # fmt: skip
def test_other_paths_are_left_to_fhirpathpy(path: str, found: list[Any]) -> None:
    with pytest.raises(NotSimpleError):
        raise_unless_simple(path)
    assert plain(compiled(path, {}, References())([copy.deepcopy(OBSERVATION)])) == found


def raise_unless_simple(path: str) -> None:
    from twinbayes.cohort.importing.readers.clinical_json.fhirpath import _Compiler

    _Compiler({}, References()).of(parsed(path))


@pytest.mark.parametrize(
    "path",
    ["code..coding", "code.", "(code", "code)", "code coding", "where(", "#", "a.b#c", "1 +"],
)
def test_what_is_no_fhirpath_is_refused_and_not_mended(path: str) -> None:
    with pytest.raises(PathError):
        compiled(path, {}, References())


def test_constants_stand_for_their_values() -> None:
    text = "code.coding.where(system = %own).code"
    for way in (compiled, by_fhirpathpy):
        assert way(text, {"own": "s"}, References())([copy.deepcopy(OBSERVATION)]) == ["c"]


def test_nested_selects_cross_unnest_and_join_as_the_standard_says() -> None:
    view = View(
        name="v", resource="Observation", constants={}, where=(),
        select=(
            {"column": [{"name": "id", "path": "id"}]},
            {"forEach": "code.coding", "column": [{"name": "code", "path": "code"}]},
            {"forEachOrNull": "nothing", "column": [{"name": "none", "path": "x"}]},
            {"unionAll": [{"column": [{"name": "t", "path": "code.text"}]},
                          {"forEach": "note", "column": [{"name": "t", "path": "text"}]}]},
        ),
        columns=("id", "code", "none", "t"),
    )  # fmt: skip
    found = Flattening(view, References(), Clocks(), None).rows_of(OBSERVATION)
    assert found == [
        ("o", "c", None, "t"), ("o", "c", None, "n"), ("o", "d", None, "t"), ("o", "d", None, "n"),
    ]  # fmt: skip
