"""Labels of states: what one may be, and what of a description it changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import twinbayes as tb
from twinbayes.errors import ModelError
from twinbayes.model import ModelSpec
from twinbayes.model.courses.labels import StateLabel, among, name_words, place_words
from twinbayes.model.courses.reporting import Reporting

SURVIVAL = tb.disease("survival")  # states: alive, dead


def labelled(*labels: StateLabel) -> ModelSpec:
    return replace(SURVIVAL, reporting=Reporting(state_labels=labels))


DIED = StateLabel(state="dead", text="died")
ALIVE = StateLabel(state="alive", text=(("it", "in vita"), ("en", "living")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty. Give words"),
        ("   ", "is empty"),
        ("x" * 61, "has 61 characters; legends of pictures have room for 60. Shorten it"),
        ("in\nremission", "has a line break"),
        ("in\u2028remission", "has a line break"),
        ("in\tremission", "has a line break, a tab"),
        ("in remission ", "begins or ends with a blank"),
        ("<b>dead</b>", "has < >, and labels have no markup"),
        ("*dead*", "has [*], and"),
        ("[dead](x) `now` $x_1$", "has ` _ [$], and"),
        ((("it", "morti"),), "is there in 'it', and English is what is shown. Add 'en'"),
        ((), "is there in none, and English"),
        ((("en", "dead"), ("English", "died")), "'English' is no language. Give the tag"),
        ((("en", "dead"), ("en", "died")), "'en' is there twice"),
        ((("en", "dead"), ("it", "")), "in 'it' is empty"),
    ],
)
def test_what_can_be_no_label_is_refused(text: object, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        StateLabel(state="dead", text=text)  # type: ignore[arg-type]


def test_sixty_characters_and_other_scripts_are_a_label() -> None:
    assert StateLabel(state="dead", text="x" * 60).english == "x" * 60
    several = StateLabel(state="dead", text=(("pt-BR", "óbito"), ("el", "νεκροί"), ("en", "dead")))
    assert several.english == "dead"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([replace(DIED, state="deads")], "Unknown state 'deads' has a label.*did you mean 'dead'"),
        ([replace(DIED, state="x")], "Unknown state 'x' has a label. Known: 'alive', 'dead'."),
        ([DIED, replace(DIED, text="gone")], "'dead' has two labels. Leave out one"),
        ([DIED, replace(ALIVE, text="Died")], "'dead' and 'alive' are both read as 'Died'"),
        ([replace(DIED, text="alive")], "'alive' and 'dead' are both read as 'alive'"),
        ([replace(DIED, text="in  Alive")], "'alive' and 'dead' are both read as"),
        (
            [ALIVE, replace(DIED, text=(("en", "died"), ("it", "in vita")))],
            "'alive' and 'dead' are both read as 'in vita'",
        ),
    ],
)
def test_labels_are_of_the_states_and_tell_them_apart(labels: list[StateLabel], said: str) -> None:
    with pytest.raises(ModelError, match=f"reporting: state_labels: .*{said}"):
        labelled(*labels)


def test_a_label_may_be_the_name_of_a_state_that_has_another() -> None:
    swapped = labelled(replace(DIED, text="alive"), replace(ALIVE, text="dead"))
    assert swapped.state_labels == {"dead": "alive", "alive": "dead"}


def test_a_description_without_labels_is_stored_as_it_was() -> None:
    plain = replace(SURVIVAL, reporting=Reporting(horizon_years=3.0))
    assert plain.to_dict()["reporting"] == {
        "kind_of": "Reporting",
        "scenarios": [],
        "utilities": [],
        "horizon_years": 3.0,
        "extrapolation_years": None,
    }
    assert "reporting" not in SURVIVAL.to_dict()
    assert SURVIVAL.state_labels == plain.state_labels == {}
    assert "How people read" not in plain.describe()


def test_labels_are_part_of_the_hash_as_the_title_is() -> None:
    hashes = {
        SURVIVAL.content_hash,
        replace(SURVIVAL, title="Another").content_hash,
        labelled(DIED).content_hash,
        labelled(replace(DIED, text="gone")).content_hash,
        labelled(DIED, ALIVE).content_hash,
    }
    assert len(hashes) == 5


def test_labels_come_back_from_files_and_stored_models(tmp_path: Path) -> None:
    spec = labelled(DIED, ALIVE)
    path = spec.write(tmp_path / "mine.yaml")
    written = path.read_text(encoding="utf-8")
    assert "  state_labels:\n    dead: died\n    alive: {it: in vita, en: living}\n" in written
    again = tb.disease(path)
    assert again == spec
    assert again.content_hash == spec.content_hash
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert "state_labels" not in SURVIVAL.write(tmp_path / "plain.yaml").read_text()


def test_a_description_in_words_has_the_labels() -> None:
    told = labelled(DIED, ALIVE).describe()
    assert "How people read them:\n  dead: died\n  alive: living\n" in told


def test_names_are_read_as_words_and_places() -> None:
    assert name_words("death_in_remission") == "death in remission"
    assert place_words("death_in_remission") == "dead in remission"
    assert place_words("in_remission") == "in remission"
    assert among(("remission", "relapse"), {}) == "in remission or relapse"
    assert among(("remission", "relapse"), {"remission": "well"}) == "well or in relapse"
