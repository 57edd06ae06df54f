"""Headers that hospitals write, in five languages, and what they mean."""

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
IGNORED: Final = "ignored"

# Between the words that count, in English, Italian, French, German and Spanish.
_SMALL: Final = (
    "of the at in on for di del dello della dei alla al il lo la un una a de du des le les l d au "
    "aux der die das dem den bei beim zur zum im el los las"
)
_LINKS: Final = frozenset(_SMALL.split())
_NUMBERS: Final = "nr n no num numero number nummer id code codice codigo cod identificativo"
_PERSONS: Final = "patient patiente patienten paziente paciente subject soggetto sujet sujeto"

# Meaning -> headers as `folded_header` writes them, whatever the order of their words; a meaning is
# taken by the first that is there.
_SAID: Final[Mapping[str, str]] = {
    PATIENT: "patient_id|patient|patientid|id|record_id|subject_id|subject|subjid|usubjid|pat_id|"
    "pid|codice|paziente|paciente|pseudonym|study_id|patientennummer|patientennr|pseudonimo|"
    "pseudonyme|" + "|".join(f"{a}_{b}" for a in _NUMBERS.split() for b in _PERSONS.split()),
    "subgroup": "subgroup|diagnosis|entity|disease|subtype|diagnosi|sottogruppo|entita|malattia|"
    "diagnose|sottotipo|tipo_malattia|sous_groupe|sous_type|diagnostic|maladie|untergruppe|"
    "erkrankung|krankheit|subtyp|subgrupo|subtipo|diagnostico|enfermedad|disease_type",
    "centre": "centre|center|site|hospital|centro|ospedale|zentrum|klinik|redcap_data_access_group|"
    "sede|clinica|istituto|hopital|clinique|etablissement|krankenhaus|institution|institut",
    "age_years": "age_years|age|age_diagnosis|eta|eta_anni|eta_diagnosi|alter|alter_jahre|"
    "alter_diagnose|alter_erstdiagnose|age_ans|age_diagnostic|edad|edad_anos|edad_diagnostico",
    "sex": "sex|gender|sesso|genere|geschlecht|sexe|genre|sexo|genero",
    ORIGIN: "date_diagnosis|diagnosed|data_diagnosi|diagnosedatum|datum_diagnose|erstdiagnose|"
    "datum_erstdiagnose|date_diagnostic|fecha_diagnostico|index_date|origin|enrolment_date|"
    "data_arruolamento",
    BIRTH: "date_birth|birthdate|dob|born|data_nascita|geburtsdatum|geboren|date_naissance|"
    "fecha_nacimiento",
    DATE: "date|visit_date|data|data_visita|data_prelievo|data_esame|sample_date|datum|day|fecha",
    "marker": "marker|test|analyte|parameter|esame|analita|parametro|labtest",
    "value": "value|result|valore|risultato|wert|ergebnis|valeur|resultat|valor|resultado",
    "unit": "unit|units|unita|unita_misura|einheit|udm|unite|unidad",
    "event": "event|evento|ereignis|evenement",
    "treatment": "treatment|therapy|drug|terapia|trattamento|farmaco|therapie|traitement|"
    "medicament|behandlung|tratamiento",
    "start_day": "start_day|start|start_date|inizio|data_inizio|inizio_terapia|beginn|debut|"
    "date_debut|inicio|fecha_inicio",
    "stop_day": "stop_day|stop|stop_date|end|end_date|fine|data_fine|fine_terapia|ende|fin|"
    "date_fin|fecha_fin",
    "dose": "dose|dosis|dosaggio",
    "line": "line|line_therapy|linea|linea_terapia|ligne|therapielinie",
    "vital_status": "vital_status|status|alive|stato|stato_vitale|stato_vita|vitalstatus|"
    "statut_vital|estado_vital",
    "death": "death|date_death|died|data_decesso|data_morte|decesso|todesdatum|sterbedatum|tod|"
    "datum_tod|deces|date_deces|fecha_muerte|fallecimiento|fecha_fallecimiento|fecha_defuncion",
    "last_contact": "last_contact|date_last_contact|last_follow_up|date_last_follow_up|last_seen|"
    "data_ultimo_contatto|ultimo_contatto|data_ultimo_follow_up|ultimo_follow_up|contatto|"
    "ultima_visita|data_ultima_visita|dernier_contact|date_dernier_contact|dernieres_nouvelles|"
    "date_dernieres_nouvelles|letzter_kontakt|datum_letzter_kontakt|letzte_vorstellung|"
    "ultimo_contacto|fecha_ultimo_contacto|fecha_ultima_visita",
    IGNORED: "note|notes|comment|comments|commento|commenti|commentaire|commentaires|bemerkung|"
    "bemerkungen|comentario|comentarios|name|surname|nome|cognome|nom|prenom|vorname|nachname|"
    "nombre|apellido|apellidos|redcap_repeat_instrument|redcap_repeat_instance|"
    "redcap_event_name",
}


def _words(folded: str) -> frozenset[str]:
    """The words of a folded header that count."""
    return frozenset(folded.split("_")) - _LINKS


_MEANING: Final = {
    _words(header): meaning for meaning, headers in _SAID.items() for header in headers.split("|")
}
# What is a subgroup where nothing else is said to be one.
_KINDS: Final = frozenset(("tipo", "type", "typ"))
_STARTS: Final = frozenset(("start", "started", "begin", "inizio", "debut", "beginn", "inicio"))
_STOPS: Final = frozenset(("stop", "stopped", "end", "fine", "fin", "ende"))
_DATES: Final = frozenset(("date", "data", "datum", "fecha", "day"))
_DEAD: Final = (
    *("dead", "died", "death", "deceased", "morto", "morta", "deceduto", "deceduta", "decesso"),
    *("verstorben", "tot", "decede", "decedee", "mort", "fallecido", "fallecida", "muerto"),
)
_ALIVE: Final = (
    *("alive", "living", "vivo", "viva", "vivente", "in vita", "lebend", "lost", "last_contact"),
    *("lost to follow-up", "perso al follow-up", "vivant", "vivante", "en vie", "am leben"),
)
_MALE: Final = "m male maschio maschile uomo man mann maennlich männlich homme masculin hombre h"
_FEMALE: Final = "f female femmina femminile donna woman w frau weiblich femme féminin mujer"
# Cells -> the word of the contract.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "sex": {**dict.fromkeys(_MALE.split(), "male"), **dict.fromkeys(_FEMALE.split(), "female")},
    "vital_status": {
        **dict.fromkeys(_DEAD, "death"), **dict.fromkeys(_ALIVE, "last_contact"),
        "décédé": "death", "décédée": "death",
    },
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
    return _MEANING.get(_words(folded_header(header)))


def is_kind(header: str) -> bool:
    """Whether a header says that its cells are kinds of something, and not of what."""
    return folded_header(header) in _KINDS


def given(header: str) -> tuple[str, str] | None:
    """The column of a treatment's dates and the name of the treatment, or None.

    Examples
    --------
    >>> given("Inizio daratumumab"), given("Date of relapse")
    (('start_day', 'daratumumab'), None)
    """
    words = [w for w in folded_header(header).split("_") if w not in _LINKS | _DATES]
    for key, said in (("start_day", _STARTS), ("stop_day", _STOPS)):
        name = "_".join(w for w in words if w not in said)
        if name and len(said.intersection(words)) == 1:
            return key, name
    return None


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
