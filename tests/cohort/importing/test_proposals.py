"""Mappings drafted from files: near enough to import, and open about what they could not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import twinbayes as tb
from twinbayes.cohort.importing.proposing.headers import unit_of
from twinbayes.errors import CohortError, OptionError


def test_the_draft_of_an_export_imports_every_patient_and_value(
    hospital: Any, tmp_path: Path
) -> None:
    source, _ = hospital.write(tmp_path)
    text = tb.propose_mapping(source)
    draft = yaml.safe_load(text)
    assert draft["decimal"] == ","
    assert draft["dates"] == "%d/%m/%Y %H:%M"
    assert draft["missing"] == ["-9"]
    assert text.startswith("# Drafted")
    (tmp_path / "draft.yaml").write_text(text)
    cohort = tb.import_cohort(source, tmp_path / "draft.yaml", tell=None)
    whole = hospital.cohort
    assert cohort.patient_ids == whole.patient_ids
    assert cohort.events.equals(whole.events)
    assert cohort.treatments is not None
    assert set(cohort.treatments["treatment"]) == {"TMO"}
    assert cohort.visits is not None
    assert len(cohort.visits) == len(whole.visits)
    assert set(cohort.patients["sex"].dropna()) == {"female", "male"}


def test_what_cannot_be_told_is_a_question_mark_and_the_import_says_where(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,who\n1,a\n2,b\n")
    (tmp_path / "map.yaml").write_text(tb.propose_mapping(tmp_path / "people.csv"))
    with pytest.raises(CohortError, match=r"'\?'"):
        tb.import_cohort(tmp_path / "people.csv", tmp_path / "map.yaml", tell=None)


@pytest.mark.parametrize(
    ("header", "unit"),
    [("WBC (10^9/L)", "10*9/L"), ("Hb g/dL", "g/dL"), ("MRD %", "%"), ("hb_g_dl", None),
     ("and/or", None), ("x" * 20_000, None)],
)  # fmt: skip
def test_the_unit_that_a_header_ends_in_is_told(header: str, unit: str | None) -> None:
    assert unit_of(header) == unit


def test_the_draft_knows_events_units_and_words_of_italian(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "Codice;Data diagnosi;Sesso;Stato;Ultimo contatto;Data recidiva;Hb g/dL\n"
        "01;01/02/2020;F;vivo;01/03/2022;05/06/2020;9,5\n"
        "02;01/02/2021;M;morto;01/03/2022;;nd\n03;01/02/2021;F;vivo;01/03/2022;;8\n"
    )
    text = tb.propose_mapping(tmp_path / "p.csv")
    (tmp_path / "map.yaml").write_text(text)
    cohort = tb.import_cohort(tmp_path / "p.csv", tmp_path / "map.yaml", tell=None)
    assert list(cohort.events["event"]) == ["relapse", "last_contact", "death", "last_contact"]
    assert list(cohort.patients["hb_g_dl"].dropna()) == [9.5, 8.0]
    assert "unit: g/dL" in text


HEADERS = {
    "it": "Nr paziente;Centro;Tipo;Sesso;Età alla diagnosi;Data diagnosi;Decesso;Ultimo contatto",
    "en": "Patient number;Hospital;Subtype;Sex;Age at diagnosis;Date of diagnosis;Date of death;"
    "Last follow-up",
    "fr": "N° patient;Hôpital;Sous-type;Sexe;Âge au diagnostic;Date du diagnostic;Date de décès;"
    "Date des dernières nouvelles",
    "de": "Patientennummer;Klinik;Erkrankung;Geschlecht;Alter bei Diagnose;Datum der Diagnose;"
    "Todesdatum;Letzter Kontakt",
    "es": "Número de paciente;Centro;Enfermedad;Sexo;Edad al diagnóstico;Fecha de diagnóstico;"
    "Fecha de fallecimiento;Fecha del último contacto",
}
ROWS = "1;N;a;F;40;01/02/2020;;01/03/2022\n2;S;b;M;50;01/02/2021;01/03/2022;\n3;N;a;F;60;{};;{}\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("language", HEADERS)
def test_usual_headers_of_five_languages_import_as_drafted(
    tmp_path: Path, language: str, encoding: str
) -> None:
    text = HEADERS[language] + "\n" + ROWS.format("02/02/2021", "03/03/2022")
    (tmp_path / "p.csv").write_bytes(text.encode(encoding))
    drafted = tb.propose_mapping(tmp_path / "p.csv")
    accented = not text.isascii()
    assert yaml.safe_load(drafted).get("encoding") == (
        "cp1252" if accented and encoding == "cp1252" else None
    )
    (tmp_path / "map.yaml").write_text(drafted)
    cohort = tb.import_cohort(tmp_path / "p.csv", tmp_path / "map.yaml", tell=None)
    assert "#   " not in drafted
    assert cohort.subgroups == ("a", "b")
    assert cohort.centres == ("N", "S")
    assert list(cohort.patients["age_years"]) == [40.0, 50.0, 60.0]
    assert list(cohort.patients["sex"]) == ["female", "male", "female"]
    assert dict(zip(cohort.events["event"], cohort.events["day"], strict=True)) == {
        "last_contact": 394.0, "death": 393.0
    }  # fmt: skip


def test_an_encoding_that_is_given_goes_before_what_a_file_looks_like(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes("Code;Größe\n1;\x80\n2;b\n".encode("latin-1"))
    assert "encoding: cp1252" in tb.propose_mapping(tmp_path / "p.csv")
    assert "encoding: latin-1" in tb.propose_mapping(tmp_path / "p.csv", encoding="latin-1")
    (tmp_path / "p.csv").write_bytes(b"Code;x\x81\n1;2\n")  # no character of cp1252
    assert "encoding: latin-1" in tb.propose_mapping(tmp_path / "p.csv")
    with pytest.raises(CohortError, match="source-encoding"):
        tb.propose_mapping(tmp_path / "p.csv", encoding="utf-8")
    with pytest.raises(OptionError, match="cp1252"):
        tb.propose_mapping(tmp_path / "p.csv", encoding="ebcdic")


def test_files_of_two_encodings_are_refused_as_no_mapping_could_declare_both(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_bytes("id;Größe\n1;2\n".encode())
    (tmp_path / "b.csv").write_bytes("id;Höhe\n1;2\n".encode("cp1252"))
    (tmp_path / "c.csv").write_bytes(b"id;x\n1;2\n")
    with pytest.raises(CohortError) as caught:
        tb.propose_mapping(tmp_path)
    assert caught.value.faults is not None
    assert list(caught.value.faults["table"]) == ["b.csv"]


def test_every_column_not_read_is_listed_by_kind_and_never_by_what_names_people(
    tmp_path: Path,
) -> None:
    header = "Paziente;Data diagnosi;Ultimo contatto;Cognome;Codice fiscale;Stadio raro;Vuoto;Testo"
    rows = [
        f"{k};01/02/2020;01/03/2021;Rossi;RSSMRA{k:02d};{'x' if k else 'y'};;words of {k % 7}"
        for k in range(30)
    ]
    (tmp_path / "p.csv").write_text("\n".join([header, *rows]) + "\n")
    text = tb.propose_mapping(tmp_path / "p.csv")
    listed = [line for line in text.splitlines() if line.startswith("#   ")]
    assert listed == [
        "#   'Cognome': text, 30 of 30 filled",
        "#   'Codice fiscale': text, all different, 30 of 30 filled",
        "#   'Vuoto': blank, 0 of 30 filled",
    ]
    assert "RSSMRA" not in text
    assert "Rossi" not in text


def test_a_table_without_patients_is_named_and_its_columns_are_listed(tmp_path: Path) -> None:
    rows = "\n".join(
        f"{k};{'hi' if k % 2 else 'lo'};{'town' if k < 8 else 'hamlet'};0{k % 9 + 1}/02/2020"
        for k in range(12)
    )
    (tmp_path / "odd.csv").write_text(f"who;grade;home;when\n{rows}\n")
    text = tb.propose_mapping(tmp_path / "odd.csv")
    tables = yaml.safe_load(text)["tables"]
    assert tables["patients"]["table"] == tables["events"][0]["table"] == "odd.csv"
    assert text.endswith(
        "# Not read of 'odd.csv':\n#   'who': numbers, all different, 12 of 12 filled\n"
        "#   'grade': 2 levels ('lo', 'hi'), 12 of 12 filled\n"
        "#   'home': 2 levels, 12 of 12 filled\n"  # one of them of four rows alone
        "#   'when': dates %d/%m/%Y, 12 of 12 filled\n"
    )


def test_a_header_with_line_breaks_stays_within_its_comment(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('who;"a\nname: evil\u2028tables: {}"\n1;2\n')
    drafted = yaml.safe_load(tb.propose_mapping(tmp_path / "p.csv"))
    assert drafted["name"] == "p"
    assert set(drafted["tables"]) == {"patients", "events"}


def test_first_days_of_treatments_are_starts_and_a_flag_of_death_is_no_date(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.csv").write_text(
        "ID;Date of diagnosis;Start of rituximab;Rituximab end date;Death;Last contact\n"
        "1;2020-01-01;2020-01-05;2020-02-01;yes;2021-01-01\n"
        "2;2020-01-01;;;no;2021-01-01\n3;2020-01-01;2020-01-06;;no;2021-01-01\n"
    )
    drafted = yaml.safe_load(text := tb.propose_mapping(tmp_path / "p.csv"))
    assert drafted["tables"]["treatments"][0]["treatments"] == {
        "rituximab": {"start_day": "Start of rituximab", "stop_day": "Rituximab end date"}
    }
    assert drafted["tables"]["events"][0]["closing"] == {"last_contact": "Last contact"}
    assert "#   'Death': " in text
