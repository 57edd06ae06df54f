"""A disease as a file: read back to the same model, and refused with line, rule and remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import twinbayes as tb
from twinbayes.diseases import DISEASES
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.documents import read_yaml
from twinbayes.errors import ModelError, OptionError, PriorError
from twinbayes.model import (
    Association,
    ModelSpec,
    PiecewiseConstant,
    Spline,
    Trajectories,
    Trajectory,
    Weibull,
)
from twinbayes.model.courses.labels import StateLabel
from twinbayes.model.courses.reporting import Reporting, Utility
from twinbayes.model.curves.families.ordinal import Ordinal
from twinbayes.model.curves.families.table import FAMILIES
from twinbayes.model.files.reading import ModelFileError
from twinbayes.model.files.schema import disease_schema
from twinbayes.model.notation.kinds import CHOICES
from twinbayes.model.notation.layout import KEYS
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.priors import OwnPriors
from twinbayes.resources import resource_path

WHOLE = """\
schema: twinbayes/disease/v1
name: whole
title: Every part of a file
priors:
  extends: registry
  entries:
    baseline_level:
      arguments: {mu: -8.0, sigma: 1.5}
      rationale: Rarer events than in acute leukaemia.
states: [well, ill, dead]
baseline: {kind: piecewise-constant, windows: 4}
transitions:
  - {source: well, target: ill, event: progression}
  - {source: well, target: dead, event: death}
  - {source: ill, target: dead, event: death, clock: entry, baseline: {kind: spline, df: 5}}
treatments:
  - name: drug
    early_days: 90
    starts: [well, {source: ill, clock: entry}]
    effects:
      - {transition: well->ill, phase: here_early, pooling: complete}
      - {transition: well->ill, phase: here_late, pooling: {kind: exchangeable, nu: 4}}
covariates:
  - {name: age_years, group: clinical, transform: spline}
  - {group: gene, min_carriers: 3}
  - {names: [gene_a, gene_b]}
subgroup: horseshoe
worse: [well->ill, ill->dead]
time_varying:
  - {of: subgroup, on: well->ill}
trajectories:
  markers:
    - {marker: load, transform: log, basis: {kind: natural spline, df: 2}}
    - {marker: grade, family: {kind: ordinal, grades: [1, 2, 3]}}
  covariates: []
associations:
  - {marker: load, transitions: [well->ill], form: slope}
reporting:
  utilities: [{state: well, mean: 0.9}, {state: ill, mean: 0.5, sd: 0.1}]
  scenarios: [drug on day 30 in well, no drug]
  horizon_years: 3
  state_labels:
    ill: {en: with the illness, it: malati}
    dead: died
"""


def written(text: str, folder: Path) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def with_every_choice() -> Iterator[ModelSpec]:
    """One model for each pooling, baseline, family and basis of the package."""
    spec = tb.disease("survival")
    by_name = {c.what: c.own() for c in CHOICES}
    for kind, described in by_name["pooling"].items():
        try:
            pooling = described()
        except TypeError:  # needs the name of a group
            continue
        events = replace(spec.events, subgroup=pooling)
        yield replace(spec, name=f"pooling_{kind}", events=events)
    for baseline in (PiecewiseConstant(3), Spline(df=5, order=2), Weibull(resolution=30)):
        moves = tuple(replace(t, baseline=baseline) for t in spec.graph.transitions)
        graph = replace(spec.graph, transitions=moves)
        yield replace(spec, events=replace(spec.events, graph=graph))
    for described in FAMILIES:
        family = described(grades=(1.0, 2.0, 3.0)) if described is Ordinal else described()
        marker = Trajectory(marker="m", family=family)
        yield replace(spec, trajectories=Trajectories(markers=(marker,)))
    for described in by_name["basis"].values():
        try:
            marker = Trajectory(marker="m", basis=described())
        except TypeError:
            continue
        yield replace(spec, trajectories=Trajectories(markers=(marker,)))


@pytest.mark.parametrize("name", DISEASES)
def test_every_disease_comes_back_with_the_same_hash(name: str, tmp_path: Path) -> None:
    spec = tb.disease(name)
    again = tb.disease(spec.write(tmp_path / "x.yaml"))
    assert again == spec
    assert again.content_hash == spec.content_hash
    assert ModelSpec.from_dict(json.loads(json.dumps(again.to_dict()))) == spec


def test_every_choice_comes_back(tmp_path: Path) -> None:
    specs = list(with_every_choice())
    assert len({s.content_hash for s in specs}) > len(POOLINGS) + len(FAMILIES)
    for spec in specs:
        again = tb.disease(spec.write(tmp_path / "x.yaml"))
        assert again.content_hash == spec.content_hash


def test_every_part_of_a_file_arrives_and_comes_back(tmp_path: Path) -> None:
    spec = tb.disease(written(WHOLE, tmp_path))
    assert spec.graph.transitions[0].baseline == PiecewiseConstant(windows=4)
    assert spec.graph.transitions[2].baseline == Spline(df=5)
    assert spec.graph.starts[0].baseline == PiecewiseConstant(windows=4)
    assert spec.graph.labels[3:] == ("well->start:drug", "ill->start:drug")
    assert {e.treatment for e in spec.graph.effects} == {"drug"}
    assert spec.events.subgroup == POOLINGS["horseshoe"]()
    assert spec.associations == (
        Association(marker="load", transitions=("well->ill",), form="slope"),
    )
    assert spec.reporting == Reporting(
        utilities=(Utility(state="well", mean=0.9), Utility(state="ill", mean=0.5, sd=0.1)),
        scenarios=("drug on day 30 in well", "no drug"),
        horizon_years=3,
        state_labels=(
            StateLabel(state="ill", text=(("en", "with the illness"), ("it", "malati"))),
            StateLabel(state="dead", text="died"),
        ),
    )
    assert tb.disease(spec.write(tmp_path / "again.yaml")).content_hash == spec.content_hash
    stored = ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert stored == spec


def test_priors_of_a_file_are_those_of_the_library_but_for_its_entries(tmp_path: Path) -> None:
    spec = tb.disease(written(WHOLE, tmp_path))
    assert isinstance(spec.priors, OwnPriors)
    own, library = spec.priors.load(), tb.load_priors("registry")
    assert own["baseline_level"].arguments == {"mu": -8.0, "sigma": 1.5}
    assert own["baseline_level"].rationale.startswith("Rarer")
    assert own.overridden == {"baseline_level"}
    assert {n for n in own if own[n] != library[n]} == {"baseline_level"}
    assert own.label == "whole/v1"


def test_a_model_of_a_file_draws_what_the_same_model_in_python_draws(tmp_path: Path) -> None:
    cohort = tb.datasets.registry()
    spec = tb.disease("survival").without_covariates("sex")
    again = tb.disease(spec.write(tmp_path / "x.yaml"))
    options = {"draws": 20, "tune": 20, "chains": 1, "seed": 3, "progressbar": False}
    cohort = cohort.select(cohort.patient_ids[:60])
    one, other = (
        tb.fit(replace(s, events=_deaths_alone(s)), cohort, **options) for s in (spec, again)
    )
    np.testing.assert_array_equal(
        one.datatree["posterior"]["log_baseline"], other.datatree["posterior"]["log_baseline"]
    )


def _deaths_alone(spec: ModelSpec) -> object:
    graph = replace(spec.graph, ignored_events=("complete_remission", "relapse"))
    return replace(spec.events, graph=graph)


# What stands in a file, what stands there instead, the line of the fault, and what is said of it.
FAULTS = [
    ("disease/v1", "disease/v9", 1, "must be 'twinbayes/disease/v1'"),
    ("name: whole", "name: whole thing", 2, "no name"),
    ("name: whole", "name: 7", 2, "expected text"),
    ("title: Every part of a file", "titel: x", 1, "lacks 'title'"),
    ("title: Every part of a file", "titel: x", 3, "did you mean 'title'"),
    ("title: Every part of a file", "title: ''", 3, "the text is empty"),
    ("title: Every part of a file", "title:", 3, "there is no value"),
    ("extends: registry", "extends: regstry", 5, "did you mean 'registry'"),
    ("extends: registry", "extend: registry", 5, "did you mean 'extends'"),
    ("    baseline_level:", "    baseline_levl:", 7, "no entry of this name"),
    ("mu: -8.0", "mu: low", 7, "not a number"),
    ("sigma: 1.5", "sigma: -1.5", 7, "sigma"),
    ("sigma: 1.5", "scale: 1.5", 7, "scale"),
    ("      rationale: Rarer events than in acute leukaemia.\n", "", 7, "needs a `rationale`"),
    ("states: [well, ill, dead]", "states: well", 10, "expected a list"),
    ("states: [well, ill, dead]", "states: [well, ill, 3]", 10, "Put it in quotes"),
    ("states: [well, ill, dead]", "states: [well, ill, ill, dead]", 12, "Duplicate state"),
    ("kind: piecewise-constant, windows: 4", "kind: piecewise", 11, "did you mean"),
    ("kind: piecewise-constant, windows: 4", "windows: 4", 11, "Add `kind`"),
    ("kind: piecewise-constant, windows: 4", "kind: spline, windows: 4", 11, "unknown key"),
    ("windows: 4", "windows: four", 11, "expected a whole number"),
    ("windows: 4", "windows: 4.5", 11, "expected a whole number"),
    ("windows: 4", "windows: true", 11, "expected a whole number"),
    ("windows: 4", "windows: 4, tail: 0", 11, "at least 1 event"),
    ("target: ill, event", "target: il, event", 13, "did you mean 'ill'"),
    ("event: progression", "evnt: progression", 13, "did you mean 'event'"),
    ("event: progression", "event: [progression]", 13, "expected text"),
    ("clock: entry, baseline", "clock: entrance, baseline", 15, "clock"),
    ("df: 5", "df: 2", 15, "degree"),
    ("name: drug", "nome: drug", 17, "lacks 'name'"),
    ("early_days: 90", "early_days: ninety", 18, "expected a number"),
    ("    early_days: 90\n", "", 12, "needs early_days"),
    ("starts: [well,", "starts: [wel,", 19, "did you mean 'well'"),
    ("starts: [well,", "starts: [dead,", 19, "state that can be left 'dead'"),
    ("transition: well->ill, phase: here_early", "phase: here_early", 21, "lacks 'transition'"),
    ("well->ill, phase: here_early", "well->il, phase: here_early", 21, "did you mean 'well->ill'"),
    ("phase: here_early", "phase: early", 21, "treatment phase 'early'"),
    ("kind: exchangeable, nu: 4", "kind: exchangable", 22, "did you mean 'exchangeable'"),
    ("kind: exchangeable, nu: 4", "kind: exchangeable, nu: -4", 22, "nu"),
    ("transform: spline}", "transform: splines}", 24, "transform"),
    ("name: age_years, group", "nam: age_years, groups", 24, "what is it?"),
    ("min_carriers: 3", "min_carriers: few", 25, "expected a whole number"),
    ("names: [gene_a, gene_b]", "names: gene_a", 26, "expected a list"),
    ("subgroup: horseshoe", "subgroup: horse", 27, "unknown pooling 'horse'"),
    ("subgroup: horseshoe", "subgrup: horseshoe", 27, "did you mean 'subgroup'"),
    ("worse: [well->ill,", "worse: [well->dead2,", 28, "unknown intensity"),
    ("on: well->ill}", "on: well->il}", 30, "unknown intensity"),
    ("of: subgroup, on", "off: subgroup, on", 30, "unknown key"),
    ("transform: log", "transform: logarithm", 33, "transform of marker 'load'"),
    ("kind: natural spline", "kind: spline", 33, "unknown basis 'spline'"),
    ("kind: ordinal, grades", "kind: ordered, grades", 34, "unknown family 'ordered'"),
    ("marker: grade,", "marker: grade, transform: log,", 34, "has its own scale"),
    ("covariates: []", "covariats: []", 35, "did you mean 'covariates'"),
    ("marker: load, transitions", "marker: lod, transitions", 37, "did you mean 'load'"),
    ("transitions: [well->ill], form", "transitions: [ill], form", 37, "unknown intensity"),
    ("form: slope", "form: slop", 37, "form"),
    ("mean: 0.9}", "mean: 9}", 39, "from 0 to 1"),
    ("sd: 0.1", "sd: 0.6", 39, "leaves the range"),
    ("{state: well, mean: 0.9}, ", "", 38, "utilities are of 'ill'"),
    ("scenarios: [drug on day 30 in well, no drug]", "scenarios: [no drug]", 38, "two to compare"),
    ("horizon_years: 3", "horizon_years: -3", 38, "above 0"),
    ("horizon_years: 3", "horizon_years: .nan", 41, "NaN"),
    ("horizon_years: 3", "horizon: 3", 41, "did you mean 'horizon_years'"),
    ("  state_labels:", "  state_label:", 42, "did you mean 'state_labels'"),
    (
        "    ill: {en",
        "    il: {en",
        43,
        "unknown state 'il'. Known: 'well', 'ill', 'dead'; did you",
    ),
    ("    dead: died", "    deceased: died", 44, "unknown state 'deceased'. Known: 'well'"),
    ("en: with the illness, ", "", 43, "English is what is shown. Add 'en'"),
    ("it: malati", "Italian: malati", 43, "'Italian' is no language. Give the tag"),
    ("it: malati", "it: 3", 43, "expected text, not 3. Put it in quotes"),
    ("it: malati", "it:", 43, "there is no value. Give one"),
    ("dead: died", 'dead: ""', 44, "the text is empty"),
    ("dead: died", "dead: [died]", 44, "expected text"),
    ("dead: died", "dead:", 44, "there is no value"),
    ("dead: died", f"dead: {'x' * 61}", 44, "has 61 characters; legends of pictures have room"),
    ("dead: died", 'dead: "died\\nlater"', 44, "has a line break"),
    ("dead: died", "dead: <b>died</b>", 44, "has < >, and labels have no markup. Give plain text"),
    ("dead: died", "dead: $died$", 44, "has $, and labels have no markup"),
    ("dead: died", "dead: With the  illness", 44, "'ill' and 'dead' are both read as"),
    ("dead: died", "dead: in well", 44, "'well' and 'dead' are both read as 'in well'"),
    (
        "state_labels:\n    ill: {en: with the illness, it: malati}\n    dead: died\n",
        "state_labels: died\n",
        42,
        "expected keys and values, not 'died'",
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), FAULTS)
def test_a_fault_is_refused_with_its_line(
    old: str, new: str, line: int, said: str, tmp_path: Path
) -> None:
    assert old in WHOLE
    with pytest.raises(ModelFileError) as refused:
        tb.disease(written(WHOLE.replace(old, new, 1), tmp_path))
    at = [fault for fault in refused.value.faults if fault.startswith(f"line {line}")]
    assert any(said in fault for fault in at), str(refused.value)
    assert "mine.yaml" in str(refused.value)


def test_faults_of_a_file_are_told_all_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = WHOLE
    for old, new in (("windows: 4", "windows: x"), ("df: 5", "df: y"), ("nu: 4", "nu: z")):
        text = text.replace(old, new)
    with pytest.raises(ModelFileError) as refused:
        tb.disease(written(text, tmp_path))
    lines = [int(f.partition(",")[0].removeprefix("line ")) for f in refused.value.faults]
    assert lines == [11, 15, 22]
    assert str(refused.value).startswith("mine.yaml: 3 faults.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x\n", "not valid YAML"),
        ("a: 1\na: 2\n", "twice"),
        ("- a\n", "keys and values"),
        ("a: [", "not valid YAML"),
        ("", "keys and values"),
        ("a: !!python/object:os.system x\n", "tags"),
    ],
)
def test_what_is_no_such_yaml_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=said):
        tb.disease(written(text, tmp_path))


def test_paths_that_are_no_disease_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        tb.disease(tmp_path / "none.yaml")
    with pytest.raises(ModelError, match="is a folder"):
        tb.disease(tmp_path)
    with pytest.raises(OptionError, match="no options"):
        tb.disease(written(WHOLE, tmp_path), pooling="none")
    with pytest.raises(ModelError, match=r"ends in \.yaml"):
        tb.disease("survival").write(tmp_path / "x.json")
    with pytest.raises(ModelError, match="could not be written"):
        tb.disease("survival").write(tmp_path / "no" / "x.yaml")


@pytest.mark.parametrize("entries", ["{", "[]", "3", "", 7, "[" * 100_000])
def test_priors_of_a_description_that_was_altered_are_refused(entries: object) -> None:
    with pytest.raises(PriorError, match="a JSON object"):
        OwnPriors(name="mine", extends="registry", entries=entries)  # type: ignore[arg-type]


def test_a_disease_file_is_no_prior_file(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match="this is a disease file"):
        tb.load_priors(written(WHOLE, tmp_path))


def test_types_of_ones_own_go_by_their_kind(tmp_path: Path) -> None:
    from twinbayes.model import register
    from twinbayes.model.baseline import Baseline

    @register
    @dataclass(frozen=True, slots=True)
    class Halved(PiecewiseConstant):
        kind: str = "halved windows"

    assert isinstance(Halved(), Baseline)
    text = WHOLE.replace("kind: piecewise-constant", "kind: halved windows")
    spec = tb.disease(written(text, tmp_path))
    assert spec.graph.transitions[0].baseline == Halved(windows=4)
    assert tb.disease(spec.write(tmp_path / "y.yaml")).content_hash == spec.content_hash


def test_the_schema_for_editors_is_that_of_the_reader(tmp_path: Path) -> None:
    stored = json.loads(resource_path("schemas", "disease", "v1.schema.json").read_text("utf-8"))
    assert stored == disease_schema()
    jsonschema.Draft202012Validator.check_schema(stored)
    validator = jsonschema.Draft202012Validator(stored)
    assert not list(validator.iter_errors(dict(read_yaml(written(WHOLE, tmp_path), ModelError))))
    for name in DISEASES:
        path = tb.disease(name).write(tmp_path / "x.yaml")
        assert not list(validator.iter_errors(dict(read_yaml(path, ModelError))))
    for old, new in (
        ("windows: 4", "windows: four"),
        ("en: with the illness, ", ""),
        ("it: malati", "Italian: malati"),
        ("dead: died", "dead: died_"),
        ("dead: died", f"dead: {'x' * 61}"),
    ):
        wrong = written(WHOLE.replace(old, new), tmp_path)
        assert list(validator.iter_errors(dict(read_yaml(wrong, ModelError)))), new


def test_the_page_on_diseases_is_right(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "diseases.md").read_text(encoding="utf-8")
    for example in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        spec = tb.disease(written(example, tmp_path))
        tb.assemble(spec, synthetic_cohort(spec, n_patients=40))
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    explained = set(re.findall(r"`([^`\n]+)`", prose))
    assert set(KEYS) <= explained
    assert {kind for choice in CHOICES for kind in choice.own()} <= explained
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, object] = {}
    exec(code.replace("asked_priors(spec,", "table = asked_priors(spec,"), found)  # noqa: S102
    assert set(found["table"].columns) <= set(re.findall(r"\w+", code))  # type: ignore[attr-defined]
