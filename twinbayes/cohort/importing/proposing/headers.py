"""Headers that hospitals write, in English, Italian and German, and what they mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

PATIENT: Final = "patient_id"
ORIGIN: Final = "origin"
BIRTH: Final = "birth"
UNTOLD: Final = "?"
"""Stands in a draft for what could not be told."""
DATE: Final = "date"

# Meaning -> headers as `folded_header` writes them; a meaning is taken by the first that is there.
_SAID: Final[Mapping[str, str]] = {
    PATIENT: "patient_id|patient|patientid|id|record_id|subject_id|subject|subjid|usubjid|pat_id|"
    "pid|codice|codice_paziente|id_paziente|paziente|patienten_id|pseudonym|study_id",
    "subgroup": "subgroup|diagnosis|entity|disease|subtype|diagnosi|sottogruppo|entita|malattia|"
    "diagnose",
    "centre": "centre|center|site|hospital|centro|ospedale|zentrum|klinik|redcap_data_access_group",
    "age_years": "age_years|age|age_at_diagnosis|eta|eta_alla_diagnosi|alter",
    "sex": "sex|gender|sesso|genere|geschlecht",
    ORIGIN: "date_of_diagnosis|diagnosis_date|data_diagnosi|data_di_diagnosi|data_della_diagnosi|"
    "diagnosedatum|index_date|origin|enrolment_date|data_arruolamento",
    BIRTH: "date_of_birth|birth_date|birthdate|dob|data_di_nascita|data_nascita|geburtsdatum",
    DATE: "date|visit_date|date_of_visit|data|data_visita|data_prelievo|data_esame|sample_date|"
    "datum|day",
    "marker": "marker|test|analyte|parameter|esame|analita|parametro|labtest",
    "value": "value|result|valore|risultato|wert|ergebnis",
    "unit": "unit|units|unita|unita_di_misura|einheit|udm",
    "event": "event|evento|ereignis",
    "treatment": "treatment|therapy|drug|terapia|trattamento|farmaco|therapie",
    "start_day": "start_day|start|start_date|date_start|inizio|data_inizio|inizio_terapia|beginn",
    "stop_day": "stop_day|stop|stop_date|end|end_date|fine|data_fine|fine_terapia|ende",
    "dose": "dose|dosis|dosaggio",
    "line": "line|line_of_therapy|linea|linea_di_terapia",
    "vital_status": "vital_status|status|alive|stato|stato_vitale|stato_in_vita|vitalstatus",
    "death": "date_of_death|death_date|data_decesso|data_di_decesso|data_morte|decesso|todesdatum",
    "last_contact": "date_of_last_contact|last_contact|date_last_contact|last_follow_up|"
    "date_of_last_follow_up|data_ultimo_contatto|ultimo_contatto|data_ultimo_follow_up|contatto",
    "ignored": "note|notes|comment|comments|commento|commenti|name|surname|nome|cognome|"
    "redcap_repeat_instrument|redcap_repeat_instance|redcap_event_name",
}
_MEANING: Final = {
    header: meaning for meaning, headers in _SAID.items() for header in headers.split("|")
}
_DEAD: Final = (
    *("dead", "died", "death", "deceased", "morto", "morta", "deceduto", "deceduta", "decesso"),
    *("verstorben", "tot"),
)
_ALIVE: Final = (
    *("alive", "living", "vivo", "viva", "vivente", "in vita", "lebend", "lost", "last_contact"),
    *("lost to follow-up", "perso al follow-up"),
)
# Cells -> the word of the contract.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "sex": {"m": "male", "male": "male", "maschio": "male", "uomo": "male", "man": "male",
            "f": "female", "female": "female", "femmina": "female", "donna": "female",
            "w": "female", "woman": "female"},
    "vital_status": {**dict.fromkeys(_DEAD, "death"), **dict.fromkeys(_ALIVE, "last_contact")},
}  # fmt: skip
# Events under the names that models of this package use.
_EVENTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("recidiva", "ricaduta", "rezidiv", "recurrence"), "relapse"),
    **dict.fromkeys(("remissione_completa", "cr", "komplette_remission"), "complete_remission"),
    **dict.fromkeys(("trapianto", "transplant", "tmo", "transplantation"), "transplantation"),
    **dict.fromkeys(("progressione", "progress", "progression"), "progression"),
}
_UNIT: Final = re.compile(
    r"(?:^|[\s(\[,])((?:10[*^][0-9]{1,2}|[munpk]?(?:g|mol|U|kat))/[dmu]?[Ll]|%)[)\]]?$"
)
MISSING: Final = ("-9", "-99", "-999", "NA", "N/A", "n.a.", "n.d.", "nd", "ND", "N.D.", "?", "-")
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_PREFIX: Final = re.compile(r"^(date_of|date|data_di|data_della|data)_|_(date|data)$")


def folded_header(header: str) -> str:
    """A header in small letters of ASCII with underscores.

    Examples
    --------
    >>> folded_header("Età alla diagnosi")
    'eta_alla_diagnosi'
    """
    plain = unicodedata.normalize("NFKD", header).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("_", plain).strip("_")


def meaning_of(header: str) -> str | None:
    """What a header means, or None."""
    return _MEANING.get(folded_header(header))


def name_of(header: str, taken: set[str], *, event: bool = False) -> str:
    """A name of the contract for a header; it is added to those taken."""
    name = folded_header(header)
    if event:
        name = _PREFIX.sub("", name) or name
        name = _EVENTS.get(name, name)
    elif re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", header):
        name = header  # names of genes keep their capitals
    if not name or not name[0].isalpha():
        name = f"x_{name}".rstrip("_")
    own, k = name, 2
    while own in taken:
        own, k = f"{name}_{k}", k + 1
    taken.add(own)
    return own


def unit_of(header: str) -> str | None:
    """The unit that a header ends in, in UCUM, or None.

    Examples
    --------
    >>> unit_of("WBC (10^9/L)"), unit_of("Hb g/dL"), unit_of("age")
    ('10*9/L', 'g/dL', None)
    """
    found = _UNIT.search(header.strip()[-24:])
    return None if found is None else found[1].replace("^", "*")
