"""Fits without patients: nothing of anybody is in them, and they forecast as the whole fit does."""

from __future__ import annotations

import json
import pickle
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import twinbayes as tb
from chance import drawn_seed
from twinbayes.cli import app as cli
from twinbayes.cohort import Cohort
from twinbayes.diseases import DISEASES
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.errors import FitError, OptionError, StorageError, TwinError
from twinbayes.inference import Fit, SharedFit, build_manifest, inspect_fit, judge, write_tree
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.inference.files.provenance import with_content
from twinbayes.inference.files.sealed import read_tree
from twinbayes.model import Group, ModelSpec, Term
from twinbayes.names import DAY, PATIENT, PATIENT_ID, PATIENTS, TABLES, VARIABLES
from twinbayes.priors import chosen_priors

SEED = drawn_seed(__name__)


def renamed(cohort: Cohort) -> tuple[Cohort, list[str]]:
    """The cohort under identifiers that stand nowhere else."""
    canaries = {p: f"canary{secrets.token_hex(6)}" for p in cohort.patient_ids}
    tables = {
        name: frame
        if name == VARIABLES
        else frame.assign(patient_id=frame[PATIENT_ID].map(canaries))
        for name, frame in cohort.tables.items()
    }
    source = {"note": "of a test"}
    return (
        tb.cohort_from_tables(cohort.name, tables, simulated=True, source=source),
        list(canaries.values()),
    )


def fitted(name: str, cohort: Cohort, draws: int = 40) -> Fit:
    """A fit whose draws are those of the priors: nothing here depends on what they are."""
    spec = tb.disease(name)
    priors = chosen_priors(None, spec.priors)
    learnt = spec.plan(cohort).learnt
    posterior = sample_priors(spec, cohort, draws=draws, seed=SEED)
    shape = (1, posterior.sizes["draw"])
    stats = {
        "diverging": (("chain", "draw"), np.zeros(shape, dtype=bool)),
        "energy": (("chain", "draw"), np.random.default_rng(SEED).normal(size=shape)),
    }
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": xr.Dataset(stats)})
    verdict = judge(tree)
    manifest = build_manifest(
        run={
            "sampler": "none", "sampler_version": "0", "options": "{}", "draws": shape[1],
            "tune": 0, "chains": 1, "seed": 0, "cores": 1, "compile_seconds": 0.0,
            "sample_seconds": 0.0,
        },
        cohort_fingerprint=cohort.fingerprint, spec_hash=spec.content_hash,
        prior_ids=priors.ids, prior_hash=priors.content_hash, verdict=verdict,
    )  # fmt: skip
    return Fit(spec, cohort, priors, tree, verdict, manifest, learnt)


def strangers(name: str) -> Cohort:
    """People whom no fit has seen."""
    some = synthetic_cohort(tb.disease(name))
    unknown, _ = renamed(some.select(some.patient_ids[:3]))
    return unknown


@pytest.fixture(scope="module")
def whole() -> Fit:
    cohort, _ = renamed(tb.datasets.registry())
    return fitted("registry", cohort, draws=20)


QUICK = ("registry", "pbc", "cgd")  # curves, curves that move hazards, a frailty


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in DISEASES]
)
def test_it_forecasts_people_it_has_not_seen_to_the_last_bit(name: str, tmp_path: Path) -> None:
    cohort, canaries = renamed(synthetic_cohort(tb.disease(name)))
    fit = fitted(name, cohort)
    shared = fit.without_patients()
    stored = tb.load_fit(shared.save(tmp_path / "shared.nc"))
    assert isinstance(stored, SharedFit)
    people = strangers(name)
    wanted = fit.twin(people, at=0).forecast(until=800.0, draws=True)
    for one in (shared, stored):
        found = one.twin(people, at=0).forecast(until=800.0, draws=True)
        for variable in wanted.data_vars:
            np.testing.assert_array_equal(found[variable], wanted[variable], err_msg=str(variable))

    content = (tmp_path / "shared.nc").read_bytes()
    held = content + repr(stored).encode() + pickle.dumps(stored)
    for canary in canaries:
        assert canary.encode() not in held
        assert canary.encode("utf-16-le") not in held
        assert canary.encode("utf-32-le") not in held
    told = inspect_fit(tmp_path / "shared.nc")
    assert told["patients"] == "0"
    assert told["by_patient"] == told["tables"] == {}
    known = fit.datatree["posterior"].sizes.get(PATIENT)
    assert not any(known in one["shape"] for one in told["draws"].values() if known)


def test_what_has_the_identifiers_is_found_by_the_same_search(whole: Fit, tmp_path: Path) -> None:
    """The search above would find them: the whole fit holds every one."""
    content = whole.save(tmp_path / "whole.nc").read_bytes()
    assert all(p.encode() in content for p in whole.cohort.patient_ids)
    told = inspect_fit(tmp_path / "whole.nc")
    assert told["kind"] == "fit of patients"
    assert told["patients"] == "240"
    assert "posterior/patient_curve" in told["by_patient"]
    assert not any(p in json.dumps(told) for p in whole.cohort.patient_ids)


def of_gene(spec: ModelSpec, *names: str) -> ModelSpec:
    """The model with terms of lesions of their own, whoever carries them."""
    terms = tuple(Term(name=n, group="gene", transform="binary") for n in names)
    plain = (t for t in spec.events.covariates if not isinstance(t, Group))
    events = replace(spec.events, covariates=(*plain, *terms))
    return replace(spec, events=events, trajectories=None)


def recovered(covariance: np.ndarray, direction: np.ndarray, share: float) -> np.ndarray:
    """A patient's standardised covariates, were `direction` to single that patient out."""
    return np.asarray(direction @ covariance / share)


@pytest.mark.parametrize("how", ["one carrier", "one more carrier"])
def test_nobody_is_singled_out_by_covariances(how: str) -> None:
    """A lesion of one carrier; or a second one, the same but for one patient more."""
    cohort = tb.datasets.registry()
    rng = np.random.default_rng(SEED)
    error: dict[str, list[float]] = {"as they are": [], "coarse": []}
    for _ in range(12):
        known = cohort.genomics["TP53"].to_numpy(dtype=float)  # type: ignore[index]
        one = int(rng.choice(np.flatnonzero(known == 0.0)))
        marked = np.zeros(len(known)) if how == "one carrier" else known.copy()
        marked[one] = 1.0
        genomics = cohort.genomics.assign(PHF6=marked)  # type: ignore[union-attr]
        data = tb.cohort_from_tables(
            "marked", {**cohort.tables, "genomics": genomics}, simulated=True, source={"n": "t"}
        )
        lesions = ("PHF6",) if how == "one carrier" else ("TP53", "PHF6")
        encoding = of_gene(tb.disease("registry"), *lesions).plan(data).learnt.encoding
        labels = list(encoding.labels)
        x = encoding.encode(data).values[:, : len(labels)]
        direction = np.zeros(len(labels))
        for lesion, sign in zip(reversed(lesions), (1.0, -1.0), strict=False):
            k = labels.index(lesion)
            direction[k] = sign / (x[:, k].max() - x[:, k].min())
        plain = [k for k, label in enumerate(labels) if label not in lesions]
        truth, scale = (x[one] - x.mean(axis=0))[plain], x.std(axis=0)[plain]
        normals = {"as they are": encoding.normal, "coarse": encoding.coarse(data).normal}
        for name, normal in normals.items():
            found = recovered(normal.covariance, direction, 1.0 / len(known))[plain]
            error[name].append(float(np.sqrt(np.mean(((found - truth) / scale) ** 2))))
    # As they are: right but for what missing entries blur. Coarse: as far off as anybody is.
    assert np.median(error["as they are"]) < 0.5, SEED
    assert np.median(error["coarse"]) > 0.9, SEED


def test_coarse_covariances_are_covariances_and_near_to_what_they_were(whole: Fit) -> None:
    before = whole.learnt.encoding.normal
    after = whole.without_patients().learnt.encoding.normal
    np.testing.assert_array_equal(after.mean, before.mean)
    np.testing.assert_allclose(np.diag(after.covariance), np.diag(before.covariance))
    assert np.linalg.eigvalsh(after.covariance).min() > 0.0
    size = np.sqrt(np.diag(before.covariance))
    change = np.abs(after.covariance - before.covariance) / np.outer(size, size)
    n = whole.cohort.n_patients
    assert 0.0 < change.max() < 3.0 / np.sqrt(n)  # what a correlation is uncertain by is 1/sqrt(n)
    again = whole.learnt.encoding.coarse(whole.cohort).normal
    np.testing.assert_array_equal(again.covariance, after.covariance)


def test_who_lacks_covariates_is_forecast_nearly_as_by_the_whole_fit(whole: Fit) -> None:
    shared = whole.without_patients()
    person = shared.new_patient(subgroup="acute_erythroid", covariates={"age_years": 71})
    like = tb.new_patient(whole.cohort, subgroup="acute_erythroid", covariates={"age_years": 71})
    one, other = (f.twin(p).forecast(until=365.25) for f, p in ((shared, person), (whole, like)))
    # 23 of 24 covariates are missing, and the effects are as large as the priors allow.
    assert 0.0 < float(np.abs(one["survival"] - other["survival"]).max()) < 0.15


def test_follow_up_is_told_of_at_least_five(whole: Fit) -> None:
    """Counted from the tables: the fifth longest of those who ever left the first state or not."""
    last = whole.cohort.events.groupby(PATIENT_ID)[DAY].max()
    followed = whole.without_patients().followed
    assert followed["induction"] == sorted(last)[-5]
    reached = whole.cohort.events.query("event == 'relapse'")[PATIENT_ID].unique()
    assert followed["relapse"] == sorted(last[reached])[-5]
    few = whole.cohort.select(whole.cohort.patient_ids[:4])
    assert replace(whole, cohort=few, laid_out=None).without_patients().followed == {}


def test_beyond_that_follow_up_a_forecast_says_so(whole: Fit) -> None:
    shared = whole.without_patients()
    person = shared.new_patient(subgroup="acute_erythroid", covariates={"age_years": 71})
    days = shared.followed["induction"] + np.array([-1.0, 1.0])
    beyond = shared.twin(person).forecast(float(days[1]), days)["beyond_follow_up"]
    assert beyond.to_numpy().ravel().tolist() == [False, True]


def test_a_person_is_described_in_the_variables_of_the_fit(whole: Fit) -> None:
    shared = whole.without_patients()
    person = shared.new_patient(subgroup="acute_erythroid", covariates={"age_years": 71})
    like = tb.new_patient(whole.cohort, subgroup="acute_erythroid", covariates={"age_years": 71})
    assert person.fingerprint == like.fingerprint
    with pytest.raises(OptionError, match="subgroup 'flu'"):
        shared.new_patient(subgroup="flu", covariates={})
    with pytest.raises(OptionError, match="covariate 'shoe_size'"):
        shared.new_patient(subgroup="acute_erythroid", covariates={"shoe_size": 43})


@pytest.mark.requirement("R-037")
def test_what_rests_on_the_patients_is_refused_in_words(whole: Fit, tmp_path: Path) -> None:
    shared = whole.without_patients()
    for name in ("cohort", "plan", "log_likelihood", "with_groups", "thinned", "weights"):
        with pytest.raises(FitError, match="stays with the whole fit"):
            getattr(shared, name)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = shared.no_such_thing
    with pytest.raises(TwinError, match="holds no patients who could be named"):
        shared.twin(whole.cohort.patient_ids[0])  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="review the whole fit"):
        tb.review(shared, tmp_path / "review.html")  # type: ignore[arg-type]


def test_a_treatment_effect_rests_on_nobody_who_could_be_counted(whole: Fit) -> None:
    from twinbayes.effects import Estimand, treatment_effect

    shared = whole.without_patients()
    person = shared.new_patient(subgroup="acute_erythroid", covariates={"age_years": 51})
    asked = Estimand.starting("allogeneic_transplant", landmark=0.0, times=365.25)
    found = treatment_effect(shared.twin(person), asked)
    assert "not checked" in str(found.attrs["support"])


@pytest.mark.requirement("R-038")
def test_the_verdict_is_that_of_the_whole_run(whole: Fit, tmp_path: Path) -> None:
    shared = whole.without_patients()
    assert not whole.verdict.usable
    assert not shared.verdict.usable
    stored = tb.load_fit(shared.save(tmp_path / "shared.nc"))
    assert stored.verdict.reasons == shared.verdict.reasons


@pytest.mark.requirement("R-037")
def test_a_file_with_records_hidden_in_it_is_refused(whole: Fit, tmp_path: Path) -> None:
    """The whole cohort, a group below a group, remarks; and numbers that forecast nobody."""
    path = whole.without_patients().save(tmp_path / "shared.nc")
    records, _ = read_tree(whole.save(tmp_path / "whole.nc"))

    def refused(change: Callable[[xr.DataTree], None], what: str) -> None:
        tree, manifest = read_tree(path)
        change(tree)
        bare = {k: v for k, v in manifest.items() if k != "content"}
        out = write_tree(tmp_path / "bad.nc", tree, with_content(bare, tree))
        with pytest.raises(StorageError, match=what):
            tb.load_fit(out)

    def with_cohort(tree: xr.DataTree) -> None:
        tree["cohort"] = records["cohort"]

    def with_inner(tree: xr.DataTree) -> None:
        tree["posterior/inner"] = xr.DataTree(xr.Dataset({"x": ("patient", [1.0, 2.0])}))

    def with_remark(tree: xr.DataTree) -> None:
        tree["posterior"].attrs["ids"] = "P1, P2"

    def edited(edit: Callable[[dict[str, Any]], None]) -> Callable[[xr.DataTree], None]:
        def change(tree: xr.DataTree) -> None:
            text = json.loads(tree["description"]["json"].to_numpy().tobytes())
            edit(text)
            content = np.frombuffer(json.dumps(text).encode(), dtype=np.uint8)
            tree["description"] = xr.DataTree(xr.Dataset({"json": ("byte", content)}))

        return change

    refused(with_cohort, "has their records")
    refused(with_inner, "holds no patients")
    refused(with_remark, "holds no patients")
    n = len(whole.learnt.encoding.columns)
    for edit in (
        lambda t: t["encoding"]["normal"].update(covariance=np.zeros((n, n)).tolist()),
        lambda t: t["encoding"]["normal"].update(covariance=(-np.eye(n)).tolist()),
        lambda t: t["encoding"]["normal"].update(mean=[0.0], covariance=[[1.0]]),
        lambda t: t["edges"].pop(),
        lambda t: t["without_patients"]["followed"].update(induction=float("inf")),
        lambda t: t["without_patients"]["variables"].update(columns=list("abcdefghijk")[:9]),
    ):
        refused(edited(edit), r"bad\.nc")


@pytest.mark.requirement("R-037")
@pytest.mark.parametrize("where", ["posterior", "constant_data"])
def test_a_file_that_claims_to_be_without_patients_and_is_not_is_refused(
    whole: Fit, tmp_path: Path, where: str
) -> None:
    path = whole.without_patients().save(tmp_path / "shared.nc")
    tree, manifest = read_tree(path)
    curves = whole.datatree["posterior"].to_dataset()[["patient_curve"]]
    present = tree[where].to_dataset() if where in tree else xr.Dataset()
    tree[where] = xr.DataTree(xr.merge([present, curves.reset_coords(drop=True)]))
    bare = {k: v for k, v in manifest.items() if k != "content"}
    write_tree(path, tree, with_content(bare, tree))
    with pytest.raises(StorageError, match=r"shared\.nc.*says that it holds no patients"):
        tb.load_fit(path)


def test_the_command_shares_and_inspects(whole: Fit, tmp_path: Path) -> None:
    def run(*arguments: object) -> Any:
        return CliRunner().invoke(cli.app, [str(a) for a in arguments])

    path = whole.save(tmp_path / "whole.nc")
    out = tmp_path / "shared.nc"
    assert run("share", path, "--out", out).exit_code == 3  # not for use, and says so
    told = run("inspect", out)
    assert told.exit_code == 0
    assert "Fit without patients, NOT FOR USE" in told.stdout
    assert "Records of patients: 0" in told.stdout
    assert json.loads(run("inspect", path, "--json").stdout)["patients"] == "240"
    for command in (
        ["review", out, "--out", tmp_path / "r.html"],
        ["share", out, "--out", tmp_path / "again.nc"],
    ):
        refused = run(*command)
        assert refused.exit_code == 2
        assert "without its patients" in refused.stderr
    assert run("inspect", tmp_path / "nothing.nc").exit_code == 2


def test_inspecting_says_nothing_of_few(whole: Fit, tmp_path: Path) -> None:
    few = whole.cohort.select(whole.cohort.patient_ids[:3])
    manifest = {**whole.manifest, "cohort_fingerprint": few.fingerprint}
    path = replace(whole, cohort=few, manifest=manifest).save(tmp_path / "few.nc")
    told = inspect_fit(path)
    assert told["patients"] == "<5"
    assert told["tables"][PATIENTS] == "<5"
    three = {
        name: node.to_dataset().isel({PATIENT: slice(3)}, missing_dims="ignore")
        for name, node in whole.datatree.children.items()
    }
    tree = xr.DataTree.from_dict(three)
    of_three = replace(whole, cohort=few, manifest=manifest, datatree=tree)
    told = inspect_fit(of_three.save(tmp_path / "three.nc"))
    assert told["by_patient"]["posterior/patient_curve"]["shape"][2] == "<5"
    assert set(told["tables"]) <= set(TABLES)
