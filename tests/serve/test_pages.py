"""What pages say: the numbers of the API, in both languages, on any screen."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

from served_pages import Text, numbers
from twinbayes import serve
from twinbayes.names import DAYS_PER_YEAR, PATIENT, STATE, TIME
from twinbayes.report.figures.look import look_of
from twinbayes.serve import Explorer
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.language import LANGUAGES, language_of
from twinbayes.serve.pages.numbers import alive, states
from twinbayes.serve.workbench.comparing import SCORES
from twinbayes.serve.workbench.signatures import MEANINGS
from twinbayes.twin import Scenario

HOME = Path(serve.__file__).parent


def test_survival_on_the_page_is_that_of_the_forecast(
    site: Any, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    page = Text(site.get(f"/patients/{treatable.pseudonym}").text)
    twin = shared_explorer.fit.twin(treatable.patient_id)
    days = np.array([1.0, 3.0, 5.0]) * DAYS_PER_YEAR
    grid = np.unique([*np.linspace(0.0, shared_explorer.horizon, 61), *days])
    forecast = twin.forecast(shared_explorer.horizon, grid).isel({PATIENT: 0})
    row = next(r for r in page.rows if r and r[0] == "Alive")
    for cell, day in zip(row[1:], days, strict=True):
        at = forecast.sel({TIME: day})
        wanted = [round(100 * float(at[f"survival{s}"])) for s in ("", "_lower", "_upper")]
        assert numbers(cell) == wanted
    states = [r for r in page.rows if r and r[0] in ("remission", "relapse")]
    assert states
    for name, *cells in states:
        for cell, day in zip(cells, days, strict=True):
            share = 100 * float(forecast["state_probability"].sel({TIME: day, STATE: name}))
            assert abs(numbers(cell)[0] - share) < 1.0


def test_the_living_of_a_page_add_up_to_those_alive(shared_explorer: Explorer) -> None:
    """Of every patient who can be forecast, at every horizon."""
    look = look_of(shared_explorer.fit)
    rows = [row for row in shared_explorer.rows if not row.has_ended]
    forecast = shared_explorer.fit.twin([row.patient_id for row in rows]).forecast(
        shared_explorer.horizon, np.array([1.0, 3.0, 5.0]) * DAYS_PER_YEAR
    )
    for k in range(len(rows)):
        one = forecast.isel({PATIENT: [k]})
        for day in forecast[TIME].to_numpy():
            n = {s: v.n for s, v in states(one, day, look).items()}
            assert sum(n[s] for s in look.alive) == alive(one, day).n
            assert sum(n.values()) == 100


def test_states_of_a_page_add_up_to_a_hundred(site: Any, treatable: PatientRow) -> None:
    page = Text(site.get(f"/patients/{treatable.pseudonym}").text)
    start = next(k for k, r in enumerate(page.rows) if r and r[0] == "Alive")
    rows = [r for r in page.rows[start + 1 :] if len(r) == 4 and "of 100" in r[1]]
    for column in (1, 2, 3):
        assert sum(numbers(r[column])[0] for r in rows) == 100


def test_a_comparison_is_the_contrast_and_its_numbers_agree(
    site: Any, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    twin = shared_explorer.fit.twin(treatable.patient_id)
    treatment = shared_explorer.treatments(twin)[0]
    address = f"/patients/{treatable.pseudonym}/what-if?treatment={treatment}&wait=45"
    page = Text(site.get(address).text)
    start = Scenario.start(treatment, day=treatable.day + 45, states=(treatable.state,))
    day = 3 * DAYS_PER_YEAR
    contrast = twin.contrast(start, Scenario.none(treatment), shared_explorer.horizon, [day])
    at = contrast.isel({PATIENT: 0}).sel({TIME: day})
    row = [r for r in page.rows if r and r[0] == "Alive"][1]
    with_start, without = numbers(row[1])[0], numbers(row[2])[0]
    assert with_start == pytest.approx(100 * float(at["survival_a"]), abs=1.0)
    assert without == pytest.approx(100 * float(at["survival_b"]), abs=1.0)
    said = int(re.match(r"\d*", row[3].replace("no difference", "0")).group() or 0)  # type: ignore[union-attr]
    sign = -1 if "fewer" in row[3] else 1
    assert sign * said == with_start - without
    ends = [float(at[f"survival_difference{s}"]) for s in ("_lower", "_upper")]
    low, high = (round(100 * end) for end in ends)  # as they are printed
    assert ("◆" in row[3]) == (low > 0 or high < 0)


def test_a_change_of_language_asks_the_same(site: Any, treatable: PatientRow) -> None:
    page = site.get(f"/patients/{treatable.pseudonym}/what-if?wait=45&lang=en").text
    assert '<a href="?wait=45&amp;lang=it"' in page
    assert 'value="45"' in site.get(f"/patients/{treatable.pseudonym}/what-if?wait=45&lang=it").text


def test_cautions_stand_before_the_first_number(site: Any, treatable: PatientRow) -> None:
    page = site.get(f"/patients/{treatable.pseudonym}").text
    assert page.index("Before you read the numbers") < page.index(" of 100")
    assert "simulated" in page[: page.index(" of 100")]


def test_languages_have_the_same_strings_filled_in_with_the_same_names() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    first = language_of("en").strings
    assert set(LANGUAGES) == {"en", "it"}
    for code in LANGUAGES:
        other = language_of(code).strings
        assert set(other) == set(first)
        assert not [k for k in first if fields(first[k]) != fields(other[k])]
        assert not [k for k, v in other.items() if not v.strip()]
        lines = (HOME / "catalogue" / f"{code}.yaml").read_text(encoding="utf-8").splitlines()
        keys = [line.split(":")[0] for line in lines if line and not line.startswith("#")]
        assert len(keys) == len(set(keys)) == len(first)
    italian = language_of("it").strings
    same = {k for k in first if first[k] == italian[k]}
    assert same == {"product", "who", "patient.no"}


def test_templates_have_no_text_of_their_own() -> None:
    templates = [*(HOME / "templates").glob("*.jinja")]
    assert len(templates) >= 6
    for path in templates:
        bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text("utf-8"), flags=re.S)
        words = " ".join(re.sub(r"<[^>]*>", " ", bare).split())
        assert not re.search(r"[A-Za-z]{2,}", words), (path.name, words)
        for attribute in ("title", "alt", "aria-label", "placeholder"):
            assert not re.search(rf'\b{attribute}="[A-Za-z]', bare), path.name


def test_every_string_is_used() -> None:
    used = "".join(
        path.read_text(encoding="utf-8")
        for path in HOME.rglob("*")
        if path.suffix in (".py", ".jinja")
    )
    indirect = (
        "error.",
        "role.",
        "unit.",
        "patients.subgroup",
        "patients.centre",
        "patients.state",
        "review.filter.",
        "review.summary",
        "review.messages",
        "decision.",
        *(f"sign.{key}" for key in MEANINGS),
        *(f"compare.{key}" for key in (*SCORES, "fingerprint", "patients", "centres")),
    )
    unused = [k for k in language_of("en").strings if k not in used and not k.startswith(indirect)]
    assert not unused


def test_an_italian_page_has_no_english_sentence(site: Any, treatable: PatientRow) -> None:
    english = language_of("en").strings
    italian = language_of("it").strings
    sentences = [v for k, v in english.items() if len(v) > 12 and "{" not in v and v != italian[k]]
    for path in ("/", f"/patients/{treatable.pseudonym}", "/evidence", "/new",
                 f"/patients/{treatable.pseudonym}/what-if",
                 f"/patients/{treatable.pseudonym}/sheet", "/nothing"):  # fmt: skip
        answer = site.get(f"{path}?lang=it")
        text = " ".join(Text(answer.text).text)
        assert '<html lang="it">' in answer.text
        assert not [s for s in sentences if s in text]
    browser = site.get("/evidence", headers={"accept-language": "fr, it;q=0.8, en;q=0.5"}).text
    assert '<html lang="it">' in browser


def test_withheld_numbers_of_patients_are_told_in_words(
    shared_explorer: Explorer, treatable: PatientRow, make_site: Any
) -> None:
    """One small subgroup, and one that is hidden so that it cannot be told from the rest."""
    explorer = replace(shared_explorer)
    sizes = dict.fromkeys(shared_explorer.subgroup_sizes, "40")
    other = next(s for s in sizes if s != treatable.subgroup)
    explorer.__dict__["subgroup_sizes"] = sizes | {treatable.subgroup: "<5", other: "hidden"}
    site = make_site(explorer)
    address = f"/patients/{treatable.pseudonym}"
    assert "The fit has fewer than 5 patients of this subgroup" in site.get(address).text
    assert "ha visto meno di 5 pazienti" in site.get(f"{address}?lang=it").text
    evidence = site.get("/evidence?lang=it").text
    assert "il numero non è mostrato" in evidence
    assert "hidden" not in re.sub(r'type="hidden"', "", evidence)


def test_names_of_the_registry_are_known_in_italian(shared_explorer: Explorer) -> None:
    """But those of genes, which are the same everywhere."""
    fit, italian = shared_explorer.fit, language_of("it")
    variables = fit.cohort.variables
    names = {*fit.spec.graph.states, *fit.cohort.subgroups, *fit.cohort.centres}
    names |= {t.name for t in fit.spec.graph.treatments} | {*variables["name"]}
    names |= {level for some in variables["levels"].dropna() for level in some.split("|")}
    unknown = {name for name in names if name not in italian.names}
    assert unknown == {name for name in names if name.split("_")[0].isupper()}


def test_pages_name_what_they_show_for_those_who_do_not_see(
    site: Any, treatable: PatientRow
) -> None:
    for path in ("/", f"/patients/{treatable.pseudonym}",
                 f"/patients/{treatable.pseudonym}/what-if", "/evidence", "/new"):  # fmt: skip
        page = site.get(path).text
        assert page.count("<h1>") == 1
        assert page.count("<main") == 1
        assert 'class="skip"' in page
        for picture in re.findall(r"<svg[^>]*>", page):
            assert 'role="img"' in picture
            assert re.search(r'aria-label="[^"]{20,}"', picture)
        for field in re.findall(r"<(?:input|select)[^>]*>", page):
            if 'type="hidden"' in field:
                continue
            name = re.search(r'id="(\w+)"', field)
            assert name
            assert f'<label for="{name.group(1)}">' in page
        assert "<script" not in page
        assert "style=" not in page
        assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
