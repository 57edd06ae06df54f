"""Rows of a dossier: all are there, each from its source, and none from anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twinbayes.cohort.quality.suppression import HIDDEN, SUPPRESSED
from twinbayes.dossier import Row, dossier_tables, write_dossier
from twinbayes.dossier.facts import FACTS
from twinbayes.dossier.facts.fact import Subject
from twinbayes.dossier.folder import collect_sources, fit_of
from twinbayes.dossier.readers import KINDS
from twinbayes.dossier.rows import Sources, dossier_rows
from twinbayes.errors import OptionError
from twinbayes.inference import Fit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.report.required.context import FIELDS, ReviewContext

COUNTS = {
    "tripod_ai": 52, "probast_ai": 34, "barg": 10, "fda_ai": 13, "fda_bayes": 12, "ich_e9": 5,
    "annex_iv": 22, "iec_62304": 12, "iso_14971": 23, "law_132": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(fit: Fit, said: dict[str, object], evidence: dict[str, Path]) -> Sources:
    return collect_sources(fit_of(fit), said, evidence)[0]


@pytest.fixture(scope="module")
def rows(sources: Sources) -> tuple[Row, ...]:
    return dossier_rows(sources)


@pytest.mark.requirement("R-055")
def test_every_row_is_there_and_most_rows_of_tripod_come_from_objects(
    rows: tuple[Row, ...],
) -> None:
    assert {t.name: len(t.items) for t in dossier_tables()} == COUNTS
    assert [(r.table, r.number) for r in rows] == [
        (t.name, i.number) for t in dossier_tables() for i in t.items
    ]
    of_tripod = [r.status for r in rows if r.table == "tripod_ai"]
    assert of_tripod.count("object") >= 0.6 * 52
    for row in rows:
        assert (row.status == "object") == bool(row.values), row
        assert bool(row.sha256) == (row.status != "not provided") == bool(row.source), row
        assert bool(row.missing) == (row.status == "not provided"), row


def test_what_tables_name_exists_and_every_heading_has_both_languages() -> None:
    used: set[str] = set()
    for table in dossier_tables():
        assert all(table.title)
        assert table.source
        assert table.licence
        for item in table.items:
            assert all(item.topic), (table.name, item)
            assert set(item.said) <= set(FIELDS), item
            assert item.facts or item.said, item
            assert not item.evidence or item.evidence in KINDS, item
            if not item.evidence:
                assert set(item.facts) <= set(FACTS), item
                used |= set(item.facts)
    assert used == set(FACTS)
    numbers = [(t.name, i.number) for t in dossier_tables() for i in t.items]
    assert len(set(numbers)) == len(numbers)


def test_words_of_probast_are_nowhere() -> None:
    [table] = [t for t in dossier_tables() if t.name == "probast_ai"]
    assert all(not item.asks for item in table.items)
    assert {i.topic[0] for i in table.items} == {
        *(f"Development, question {k}" for k in range(1, 17)),
        *(f"Evaluation, question {k}" for k in range(1, 19)),
    }


def test_numbers_of_rows_are_those_of_the_fit(rows: tuple[Row, ...], fit: Fit) -> None:
    by = {(r.table, r.number): r for r in rows}
    assert by["tripod_ai", "10"].values["patients"] == str(fit.cohort.n_patients)
    died = int((fit.cohort.events["event"] == "complete_remission").sum())
    assert by["tripod_ai", "10"].values["events: complete remission"] == str(died)
    assert by["barg", "1b"].values["prior hash"] == fit.priors.content_hash
    assert by["tripod_ai", "22"].values["fit hash"] == manifest_hash(fit.manifest)
    assert by["barg", "2b"].values["verdict"] == "NOT FOR USE"
    worst = fit.verdict.summary["max_rhat"]
    assert f"R-hat at most {worst:.3f}" in by["barg", "2b"].values["measured"]
    assert by["barg", "2b"].sha256 == manifest_hash(fit.manifest)
    missing = fit.cohort.covariates()["ecog"].isna().sum()
    assert by["tripod_ai", "11"].values["missing: ecog"] == f"{missing / 16:.0%}"


def test_no_count_below_five_is_shown(rows: tuple[Row, ...], fit: Fit) -> None:
    by = {(r.table, r.number): r.values for r in rows}
    sizes = fit.cohort.patients["subgroup"].value_counts()
    assert (sizes < 5).any()
    shown = by["tripod_ai", "10"]
    for name, n in sizes.items():
        text = shown["patients by subgroup"]
        assert f"{str(name).replace('_', ' ')} {n}," not in f"{text},", text
    for label, value in shown.items():
        if label.startswith("events: "):
            assert value in (SUPPRESSED, HIDDEN) or int(value) >= 5 or value == "0"


@pytest.mark.requirement("R-055")
def test_without_one_file_exactly_its_rows_are_not_provided(
    rows: tuple[Row, ...], sources: Sources
) -> None:
    evidence = sources.evidence
    wanted = {i.evidence for t in dossier_tables() for i in t.items if i.evidence}
    assert wanted - set(evidence) == {"effects"}
    for kind in evidence:
        fewer = {k: v for k, v in evidence.items() if k != kind}
        found = dossier_rows(replace(sources, evidence=fewer))
        assert any(before.source == kind for before in rows), kind
        for before, after in zip(rows, found, strict=True):
            if before.source == kind:
                assert after.status == "not provided"
                assert f"--evidence {kind}" in after.missing
            else:
                assert after == before, kind


def test_without_the_context_exactly_what_people_say_is_not_provided(
    rows: tuple[Row, ...], sources: Sources
) -> None:
    found = dossier_rows(replace(sources, context=ReviewContext(), context_sha256=""))
    for before, after in zip(rows, found, strict=True):
        assert not after.said
        if before.status == "person":
            assert after.status == "not provided"
        else:
            assert replace(after, said=before.said) == before


def test_two_dossiers_of_the_same_differ_in_the_fields_of_time_alone(
    fit: Fit, said: dict[str, object], evidence: dict[str, Path], tmp_path: Path
) -> None:
    one, two = (write_dossier(fit, tmp_path / n, context=said, evidence=evidence) for n in "ab")
    names = sorted(p.relative_to(one.folder) for p in one.folder.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(two.folder) for p in two.folder.rglob("*") if p.is_file())
    for name in names:
        if name.name != "manifest.json":
            assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes(), name
    first, second = (
        {k: v for k, v in json.loads((d.folder / "manifest.json").read_text()).items()
         if k not in ("written", "head")}
        for d in (one, two)
    )  # fmt: skip
    assert first == second
    assert {p.stat().st_mode & 0o777 for p in one.folder.rglob("*") if p.is_file()} == {0o600}


@pytest.mark.requirement("R-057")
def test_no_identifier_is_in_the_folder_and_words_with_one_are_refused(
    fit: Fit, said: dict[str, object], evidence: dict[str, Path], tmp_path: Path
) -> None:
    folder = write_dossier(fit, tmp_path / "d", context=said, evidence=evidence).folder
    whole = b"\n".join(p.read_bytes() for p in folder.rglob("*") if p.is_file()).decode()
    assert not [p for p in fit.cohort.patient_ids if p in whole]
    who = fit.cohort.patient_ids[3]
    for statement in (f"As {who} showed.", f"({who})", f"see:{who}."):
        with pytest.raises(
            OptionError, match="question: holds the identifier of a patient"
        ) as caught:
            write_dossier(fit, tmp_path / "e", context={"question": statement})
        assert who not in str(caught.value)
    bom = tmp_path / "sbom.json"
    bom.write_text(f'{{"components": [], "note": "{who}"}}', encoding="utf-8")
    with pytest.raises(OptionError, match="Evidence sbom: holds the identifier"):
        write_dossier(fit, tmp_path / "e", evidence={"sbom": bom})
    assert not (tmp_path / "e").exists()


def test_a_fact_that_fails_is_told_and_loses_no_other(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = dict(FACTS)

    def fails(_: Subject) -> Any:
        raise ValueError("patient 17")

    broken["missing"] = replace(FACTS["missing"], of=fails)
    monkeypatch.setattr("twinbayes.dossier.rows.FACTS", broken)
    rows = write_dossier(fit, tmp_path / "d").rows
    gone = [r for r in rows if "missing: ValueError" in r.missing]
    assert {(r.table, r.number) for r in gone} == {("tripod_ai", "11"), ("fda_ai", "4b")}
    assert not any("17" in r.missing for r in gone)


def test_a_usable_fit_says_so_and_simulated_data_are_labelled(fit: Fit, tmp_path: Path) -> None:
    judged = replace(fit.verdict, usable=True, reasons=())
    good = replace(fit, verdict=judged)
    page = (write_dossier(good, tmp_path / "d").folder / "dossier.html").read_text("utf-8")
    body = page[page.index("<body>") :]
    assert body.index("USABLE") < body.index("<h1>")
    assert "SIMULATED DATA" in body
    bad = (write_dossier(fit, tmp_path / "e").folder / "dossier.html").read_text("utf-8")
    first = bad[bad.index("<body>") :]
    assert first.index("NOT FOR USE") < first.index("<h1>")
    assert "USABLE" not in first[: first.index("<nav")].replace("NOT FOR USE", "")
