"""Fits without patients: nothing of anybody is in them, and they forecast as the whole fit does."""

from __future__ import annotations

import json
import pickle
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import twinbayes as tb
from twinbayes.cli import app as cli
from twinbayes.cohort import Cohort
from twinbayes.diseases import DISEASES
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.errors import FitError, OptionError, StorageError, TwinError
from twinbayes.inference import Fit, SharedFit, build_manifest, inspect_fit, judge, write_tree
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.inference.files.provenance import with_content
from twinbayes.inference.files.sealed import read_tree
from twinbayes.model import Term
from twinbayes.names import DAY, PATIENT, PATIENT_ID, PATIENTS, TABLES, VARIABLES
from twinbayes.priors import chosen_priors

SEED = secrets.randbelow(2**31)


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


def carrier_of(cohort: Cohort) -> tuple[Cohort, str]:
    """The cohort with a lesion that one patient alone has, and who that is."""
    rng = np.random.default_rng(SEED)
    one = str(rng.choice(cohort.patient_ids))
    tables = dict(cohort.tables)
    lesion = "TP53"
    genomics = tables["genomics"]
    tables["genomics"] = genomics.assign(
        **{lesion: (genomics[PATIENT_ID].astype(str) == one).astype(float)}
    )
    return tb.cohort_from_tables("one carrier", tables, simulated=True, source={"note": "x"}), one


def test_the_covariates_of_a_single_carrier_are_not_in_the_covariance() -> None:
    """A covariance with a lesion of one carrier is that patient's row, but for a factor."""
    cohort, one = carrier_of(tb.datasets.registry())
    base = replace(tb.disease("registry"), trajectories=None)
    terms = (*base.events.covariates, Term(name="TP53", group="gene", transform="binary"))
    spec = replace(base, events=replace(base.events, covariates=terms))
    encoding = spec.plan(cohort).learnt.encoding
    x = encoding.encode(cohort).values[:, : len(encoding.columns)]
    row = x[list(cohort.patient_ids).index(one)] - x.mean(axis=0)
    lesion = list(encoding.labels).index("TP53")
    others = np.arange(len(encoding.labels)) != lesion

    def told(covariance: np.ndarray) -> float:
        return float(np.nan_to_num(np.corrcoef(covariance[lesion][others], row[others])[0, 1]))

    with np.errstate(invalid="ignore"):
        assert told(np.cov(x.T)) > 0.999  # so the attack works on what is not set apart
        assert told(encoding.normal.covariance) == 0.0
    assert np.all(encoding.normal.covariance[lesion][others] == 0.0)


def test_a_fit_of_an_earlier_version_is_set_apart_when_it_is_shared(whole: Fit) -> None:
    cohort, _ = carrier_of(whole.cohort)
    encoding = whole.learnt.encoding
    lesion = list(encoding.labels).index("TP53")
    assert np.count_nonzero(encoding.normal.covariance[lesion]) > 1
    old = replace(whole, cohort=cohort, laid_out=None)
    shared = old.without_patients().learnt.encoding.normal.covariance
    assert np.count_nonzero(shared[lesion]) == 1
    assert np.count_nonzero(whole.without_patients().learnt.encoding.normal.covariance[lesion]) > 1


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


def test_the_verdict_is_that_of_the_whole_run(whole: Fit, tmp_path: Path) -> None:
    shared = whole.without_patients()
    assert not whole.verdict.usable
    assert not shared.verdict.usable
    stored = tb.load_fit(shared.save(tmp_path / "shared.nc"))
    assert stored.verdict.reasons == shared.verdict.reasons


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
    assert set(told["tables"]) <= set(TABLES)
