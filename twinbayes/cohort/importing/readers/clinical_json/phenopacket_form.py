"""The form of Phenopackets v2: which keys a message has, and what stands at each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twinbayes.cohort.importing.cells.values import Problem

_TEXT: Final = "text"
_NUMBER: Final = "number"
_FLAG: Final = "flag"
_ANY: Final = "any"
_PLAIN: Final[Mapping[str, tuple[type, ...]]] = {
    _TEXT: (str,), _NUMBER: (int, float), _FLAG: (bool,),
}  # fmt: skip

SEXES: Final = ("UNKNOWN_SEX", "FEMALE", "MALE", "OTHER_SEX")
VITAL: Final = ("UNKNOWN_STATUS", "ALIVE", "DECEASED")
INTERPRETED: Final = ("UNKNOWN_STATUS", "REJECTED", "CANDIDATE", "CONTRIBUTORY", "CAUSATIVE")
_PROGRESS: Final = ("UNKNOWN_PROGRESS", "IN_PROGRESS", "COMPLETED", "SOLVED", "UNSOLVED")
_REGIMEN: Final = ("UNKNOWN_STATUS", "STARTED", "COMPLETED", "DISCONTINUED")

type _Form = str | tuple[str, ...] | list[str]

#: Message -> key -> what stands there: a message or plain value, one of several words, or a list.
FORMS: Final[Mapping[str, Mapping[str, _Form]]] = {
    "Phenopacket": {
        "id": _TEXT, "subject": "Individual", "phenotypicFeatures": ["PhenotypicFeature"],
        "measurements": ["Measurement"], "biosamples": [_ANY],
        "interpretations": ["Interpretation"], "diseases": ["Disease"],
        "medicalActions": ["MedicalAction"], "files": [_ANY], "metaData": "MetaData",
    },
    "MetaData": {
        "created": _TEXT, "createdBy": _TEXT, "submittedBy": _TEXT, "resources": [_ANY],
        "updates": [_ANY], "phenopacketSchemaVersion": _TEXT, "externalReferences": [_ANY],
    },
    "Individual": {
        "id": _TEXT, "alternateIds": [_TEXT], "dateOfBirth": _TEXT,
        "timeAtLastEncounter": "TimeElement", "vitalStatus": "VitalStatus", "sex": SEXES,
        "karyotypicSex": _TEXT, "gender": "OntologyClass", "taxonomy": "OntologyClass",
    },
    "VitalStatus": {
        "status": VITAL, "timeOfDeath": "TimeElement", "causeOfDeath": "OntologyClass",
        "survivalTimeInDays": _NUMBER,
    },
    "OntologyClass": {"id": _TEXT, "label": _TEXT},
    "TimeElement": {
        "gestationalAge": _ANY, "age": "Age", "ageRange": "AgeRange",
        "ontologyClass": "OntologyClass", "timestamp": _TEXT, "interval": "TimeInterval",
    },
    "Age": {"iso8601duration": _TEXT},
    "AgeRange": {"start": "Age", "end": "Age"},
    "TimeInterval": {"start": _TEXT, "end": _TEXT},
    "PhenotypicFeature": {
        "description": _TEXT, "type": "OntologyClass", "excluded": _FLAG,
        "severity": "OntologyClass", "modifiers": ["OntologyClass"], "onset": "TimeElement",
        "resolution": "TimeElement", "evidence": [_ANY],
    },
    "Disease": {
        "term": "OntologyClass", "excluded": _FLAG, "onset": "TimeElement",
        "resolution": "TimeElement", "diseaseStage": ["OntologyClass"],
        "clinicalTnmFinding": ["OntologyClass"], "primarySite": "OntologyClass",
        "laterality": "OntologyClass",
    },
    "Measurement": {
        "description": _TEXT, "assay": "OntologyClass", "value": "Value",
        "complexValue": "ComplexValue", "timeObserved": "TimeElement", "procedure": "Procedure",
    },
    "Value": {"quantity": "Quantity", "ontologyClass": "OntologyClass"},
    "ComplexValue": {"typedQuantities": ["TypedQuantity"]},
    "TypedQuantity": {"type": "OntologyClass", "quantity": "Quantity"},
    "Quantity": {"unit": "OntologyClass", "value": _NUMBER, "referenceRange": _ANY},
    "Procedure": {"code": "OntologyClass", "bodySite": "OntologyClass",
                  "performed": "TimeElement"},
    "MedicalAction": {
        "procedure": "Procedure", "treatment": "Treatment", "radiationTherapy": "Radiation",
        "therapeuticRegimen": "Regimen", "treatmentTarget": "OntologyClass",
        "treatmentIntent": "OntologyClass", "responseToTreatment": "OntologyClass",
        "adverseEvents": ["OntologyClass"], "treatmentTerminationReason": "OntologyClass",
    },
    "Treatment": {
        "agent": "OntologyClass", "routeOfAdministration": "OntologyClass",
        "doseIntervals": ["DoseInterval"], "drugType": _TEXT, "cumulativeDose": "Quantity",
    },
    "DoseInterval": {"quantity": "Quantity", "scheduleFrequency": "OntologyClass",
                     "interval": "TimeInterval"},
    "Radiation": {"modality": "OntologyClass", "bodySite": "OntologyClass", "dosage": _NUMBER,
                  "fractions": _NUMBER},
    "Regimen": {
        "externalReference": _ANY, "ontologyClass": "OntologyClass", "startTime": "TimeElement",
        "endTime": "TimeElement", "regimenStatus": _REGIMEN,
    },
    "Interpretation": {"id": _TEXT, "progressStatus": _PROGRESS, "diagnosis": "Diagnosis",
                       "summary": _TEXT},
    "Diagnosis": {"disease": "OntologyClass", "genomicInterpretations": ["Genomic"]},
    "Genomic": {
        "subjectOrBiosampleId": _TEXT, "interpretationStatus": INTERPRETED, "gene": "Gene",
        "variantInterpretation": "Variant",
    },
    "Gene": {
        "valueId": _TEXT, "symbol": _TEXT, "description": _TEXT, "alternateIds": [_TEXT],
        "alternateSymbols": [_TEXT], "xrefs": [_TEXT],
    },
    "Variant": {
        "acmgPathogenicityClassification": _TEXT, "therapeuticActionability": _TEXT,
        "variationDescriptor": "Variation",
    },
    "Variation": {
        "id": _TEXT, "variation": _ANY, "label": _TEXT, "description": _TEXT,
        "geneContext": "Gene", "expressions": [_ANY], "vcfRecord": _ANY, "xrefs": [_TEXT],
        "alternateLabels": [_TEXT], "extensions": [_ANY], "moleculeContext": _TEXT,
        "structuralType": "OntologyClass", "vrsRefAlleleSeq": _TEXT,
        "allelicState": "OntologyClass",
    },
}  # fmt: skip
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "Phenopacket": ("id", "subject", "metaData"), "Individual": ("id",),
    "MetaData": ("phenopacketSchemaVersion",), "OntologyClass": ("id",), "Disease": ("term",),
    "PhenotypicFeature": ("type",), "Measurement": ("assay",), "Age": ("iso8601duration",),
    "Quantity": ("value",), "Procedure": ("code",), "TypedQuantity": ("type", "quantity"),
    "Genomic": ("subjectOrBiosampleId",),
}  # fmt: skip
#: Messages of which one key alone may stand, and whether one has to.
_ONE_OF: Final[Mapping[str, tuple[tuple[str, ...], bool]]] = {
    "TimeElement": (tuple(FORMS["TimeElement"]), True),
    "Measurement": (("value", "complexValue"), False),
    "Value": (("quantity", "ontologyClass"), True),
    "MedicalAction": (("procedure", "treatment", "radiationTherapy", "therapeuticRegimen"), True),
    "Regimen": (("externalReference", "ontologyClass"), False),
    "Genomic": (("gene", "variantInterpretation"), True),
}


def misfit(value: object, form: _Form = "Phenopacket", place: str = "") -> Problem | None:
    """What of a value does not keep to the form, or None.

    Parameters
    ----------
    value
        Parsed JSON.
    form
        What it has to be.
    place
        Where it stands, of keys and positions alone: values are never repeated.

    Examples
    --------
    >>> misfit({"id": "HP:1", "lable": "x"}, "OntologyClass").text
    'an OntologyClass has a key that is unknown'
    """
    if form == _ANY:
        return None
    if isinstance(form, list):
        if not isinstance(value, list):
            return _wrong(place, "is no list")
        found = (misfit(item, form[0], f"{place}[{k}]") for k, item in enumerate(value, 1))
        return next((problem for problem in found if problem is not None), None)
    if isinstance(form, tuple):
        return None if value in form else _wrong(place, f"is none of {', '.join(form)}")
    if form in _PLAIN:
        fits = isinstance(value, _PLAIN[form]) and (form == _FLAG or not isinstance(value, bool))
        return None if fits else _wrong(place, f"is no {form}")
    return _misfit_message(value, form, place)


def _misfit_message(value: object, form: str, place: str) -> Problem | None:
    if not isinstance(value, dict):
        return _wrong(place, "is no object")
    known = FORMS[form]
    if not value.keys() <= known.keys():
        return _wrong(place or f"an {form}", "has a key that is unknown")
    for key in _NEEDED.get(form, ()):
        if key not in value or value[key] == "":
            return _wrong(place, f"has no {key!r}")
    keys, needed = _ONE_OF.get(form, ((), False))
    several = sum(key in value for key in keys)
    if several > 1 or (needed and not several):
        return _wrong(place, f"has not one alone of {', '.join(keys)}")
    for key, part in value.items():
        problem = misfit(part, known[key], f"{place}.{key}".lstrip("."))
        if problem is not None:
            return problem
    return None


def _wrong(place: str, what: str) -> Problem:
    return Problem("phenopacket-form", f"{place or 'the phenopacket'} {what}")
