"""A watch counts what came after the fit, alarms are kept, and small counts are hidden."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import twinbayes as tb
from chance import drawn_seed
from twinbayes.cli import app as cli
from twinbayes.cohort.tables import CovariateCache
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.errors import FitError, OptionError, StorageError
from twinbayes.inference import Fit, SharedFit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import Term
from twinbayes.monitoring import Look, MonitorLog, count_stream, likeness, watch
from twinbayes.monitoring.cells import known_centres
from twinbayes.names import POSTERIOR
from twinbayes.report.monitor_page import write_monitor_page
from twinbayes.serve.audit import AuditLog

STORED = Path(__file__).resolve().parents[1] / "data" / "registry_fit.nc"
SEED = drawn_seed(__name__)
DRAW = 3


def test_expected_events_are_cumulative_hazards_written_out(fit: Fit, strangers: tb.Cohort) -> None:
    """Of deaths in induction: by hand, from windows, covariates and levels of one draw."""
    one = strangers.select(strangers.patient_ids[:25])
    counts = count_stream(fit, one)
    label = "induction->death_without_remission"
    e = counts.transitions.index(label)
    posterior = fit.datatree[POSTERIOR].sel(transition=label).to_dataset()
    assert len(counts.expected) == posterior.sizes["chain"] * posterior.sizes["draw"]

    def of_draw(name: str) -> np.ndarray:
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        return np.asarray(values.reshape(-1, *values.shape[2:])[DRAW])

    x = fit.encoding.encode(one)
    m = len(fit.encoding.labels)
    log_ratio = x.values[:, :m] @ of_draw("beta")
    known = np.all(x.variances[:, :m] == 0.0, axis=1)
    for by, places in (("subgroup", x.subgroup), ("centre", x.centre)):
        log_ratio = log_ratio + np.where(places < 0, 0.0, of_draw(f"{by}_effect")[places])
    edges = fit.edges[list(fit.spec.graph.labels).index(label)]
    rate = np.exp(of_draw("log_baseline"))
    assert known.sum() >= 3, SEED
    for i, patient in enumerate(one.patient_ids):
        mine = one.events[one.events["patient_id"] == patient]
        ends = [float(mine["day"].max()), *mine.loc[mine["event"] == "complete_remission", "day"]]
        treated = one.treatments[one.treatments["patient_id"] == patient]["start_day"]  # type: ignore[index]
        stop = min(ends)
        if not known[i] or (treated < stop).any():
            continue
        inside = np.clip(stop - edges[:-1], 0.0, np.diff(edges))
        wanted = float(inside @ rate[: len(inside)]) * np.exp(log_ratio[i])
        assert counts.expected[DRAW, i, e] == pytest.approx(wanted, rel=1e-6), SEED


def test_events_are_those_of_the_tables(fit: Fit, strangers: tb.Cohort) -> None:
    counts = count_stream(fit, strangers)
    relapses = int((strangers.events["event"] == "relapse").sum())
    at = counts.transitions.index("remission->relapse")
    assert counts.observed[:, at].sum() == relapses
    deaths = [k for k, x in enumerate(counts.transitions) if "death" in x]
    assert counts.observed[:, deaths].sum() == int((strangers.events["event"] == "death").sum())


@pytest.mark.requirement("R-062")
def test_what_the_fit_has_learnt_from_is_not_counted_again(fit: Fit) -> None:
    assert count_stream(fit, fit.cohort).observed.sum() == 0.0
    assert np.abs(count_stream(fit, fit.cohort).expected).max() < 1e-9
    alive = fit.cohort.events.query("event == 'last_contact'")
    who, day = str(alive["patient_id"].iloc[0]), float(alive["day"].iloc[0])
    events = fit.cohort.events.copy()
    last = (events["patient_id"] == who) & (events["event"] == "last_contact")
    events.loc[last, ["day", "event"]] = [day + 400.0, "death"]
    later = fit.cohort.with_rows({"events": events})
    counts = count_stream(fit, later)
    assert counts.observed.sum() == 1.0
    rows = np.flatnonzero(np.abs(counts.expected).max(axis=(0, 2)) > 1e-9)
    assert [later.patient_ids[i] for i in rows] == [who]


def test_a_baseline_that_was_corrected_brings_nothing_back(fit: Fit) -> None:
    """Filled in, moved to another centre, or with a column more: nothing came after the fit."""
    patients = fit.cohort.patients.copy()
    patients["ecog"] = patients["ecog"].fillna(1.0)
    patients.loc[:5, "centre"] = "centre_A"
    for frame in (patients, fit.cohort.patients.assign(ecog=0.0)):
        corrected = replace(fit.cohort, patients=frame, covariate_cache=CovariateCache())
        counts = count_stream(fit, corrected)
        assert counts.observed.sum() == 0.0
        assert np.abs(counts.expected).max() < 1e-9
        assert counts.changed > 0
        assert "have another subgroup" in "\n".join(watch(fit).look(corrected).lines())


def test_stretches_of_time_hold_what_came_after_the_fit_and_nothing_else(fit: Fit) -> None:
    """Of a death 400 days after the record of one patient, all else as the fit has it."""
    alive = fit.cohort.events.query("event == 'last_contact'")
    events = fit.cohort.events.copy()
    day = float(events.loc[alive.index[0], "day"]) + 400.0
    events.loc[alive.index[0], ["day", "event"]] = [day, "death"]
    table = watch(fit, horizons=(365.25,)).look(fit.cohort.with_rows({"events": events})).table
    mine = table[table["kind"] == "hazards"].set_index("cell")["observed_in_all"]
    assert mine["to 365.25 days"] == float(day <= 365.25)
    assert mine["beyond 365.25 days"] == float(day > 365.25)
    assert mine["all events"] == 1.0


def test_a_death_on_the_last_day_of_the_record_comes_after_it(fit: Fit) -> None:
    alive = fit.cohort.events.query("event == 'last_contact'")
    events = fit.cohort.events.copy()
    events.loc[alive.index[0], "event"] = "death"
    assert count_stream(fit, fit.cohort.with_rows({"events": events})).observed.sum() == 1.0


def test_cells_of_a_family_add_up_to_all(fit: Fit, strangers: tb.Cohort) -> None:
    look = watch(fit, horizons=(200.0, 700.0)).look(strangers)
    table = look.table.assign(family=[c.family for c in look.watch.cells])
    for _, mine in table.groupby("kind"):
        whole = mine[mine["family"] == "all"].iloc[0]
        for family in ("transition", "subgroup", "centre", "time since origin"):
            part = mine[mine["family"] == family]
            assert part["observed"].sum() == whole["observed"]
            assert part["expected"].sum() == pytest.approx(whole["expected"])
    for kind in ("hazards", "policy"):
        shares = [c.share for c in look.watch.cells if c.kind == kind]
        assert sum(shares) == pytest.approx(1.0)


def test_new_centres_and_unknown_subgroups_are_counted_apart(
    fit: Fit, strangers: tb.Cohort
) -> None:
    patients = strangers.patients.copy()
    patients.loc[:9, "centre"] = "somewhere_else"
    patients.loc[10:14, "subgroup"] = "unheard_of"
    moved = tb.cohort_from_tables(
        "moved", {**strangers.tables, "patients": patients}, simulated=True, source={"note": "t"}
    )
    look = watch(fit).look(moved)
    assert look.left_out == 5
    new = look.table[(look.table["cell"] == "new centres") & (look.table["kind"] == "hazards")]
    place = moved.patients
    foreign = ~place["centre"].isin(fit.encoding.centres)
    foreign &= place["subgroup"] != "unheard_of"
    alone = count_stream(fit, moved.select(list(place.loc[foreign, "patient_id"])))
    events = [k for k, x in enumerate(alone.transitions) if "start:" not in x]
    assert float(new["observed"].iloc[0]) == alone.observed[:, events].sum()
    flagged = look.likeness["why"] == "subgroup unknown to the fit"
    assert flagged.sum() == 5
    assert look.likeness["new_centre"].sum() >= 10
    with pytest.raises(FitError, match="nothing of any subgroup"):
        watch(fit).look(moved.select(moved.patient_ids[10:15]))


def test_a_fit_without_patients_watches_strangers_alike(fit: Fit, strangers: tb.Cohort) -> None:
    shared: SharedFit = fit.without_patients()
    same = replace(fit, learnt=shared.learnt)  # the file is of an earlier version
    one, other = watch(same).look(strangers), watch(shared).look(strangers)
    pd.testing.assert_frame_equal(one.table, other.table)


def test_joint_models_are_refused(joint_fit_of_pbc: Any) -> None:
    with pytest.raises(FitError, match="follow curves"):
        watch(joint_fit_of_pbc).look(joint_fit_of_pbc.cohort)


@pytest.fixture
def joint_fit_of_pbc(fit: Fit) -> Fit:
    return replace(fit, spec=tb.disease("pbc"))


def doubled(look: Look, factor: float) -> Look:
    """A look at which events of the disease were so many times those expected."""
    from twinbayes.monitoring import log_e_value

    table = look.table.copy()
    mine = table["kind"] == "hazards"
    table.loc[mine, "observed"] = np.round(factor * table.loc[mine, "expected"] + 0.01)
    other = table["kind"] == "policy"
    table.loc[other, "observed"] = np.round(table.loc[other, "expected"])
    some = table["expected"] > 0.5
    table.loc[some, "log_e"] = log_e_value(
        table.loc[some, "observed"].to_numpy(), table.loc[some, "expected"].to_numpy(),
        np.full(int(some.sum()), 0.002),
    )  # fmt: skip
    table["observed_in_all"], table["expected_in_all"] = table["observed"], table["expected"]
    return replace(look, table=table)


@pytest.mark.requirement("R-061")
def test_an_alarm_stays_open_until_a_person_closes_it(
    fit: Fit, strangers: tb.Cohort, tmp_path: Path
) -> None:
    log = MonitorLog.begin(tmp_path / "monitor.jsonl")
    quiet = doubled(watch(fit).look(strangers), 1.0)
    assert quiet.alarms == ()
    log.add_look(quiet)
    assert log.open_alarms() == []
    loud = doubled(quiet, 1.8)
    assert loud.alarms == ("hazards",)
    record = log.add_look(loud)
    log.add_look(doubled(quiet, 1.0))  # later looks do not close it
    assert log.open_alarms() == [{"about": "hazards", "since": record["created"]}]
    for who, why in (("", "x"), ("Dr B", " ")):
        with pytest.raises(OptionError, match="closed by a person"):
            log.close("hazards", who=who, why=why)
    with pytest.raises(OptionError, match=r"no open alarm about 'policy'\. Open: 'hazards'"):
        log.close("policy", who="B", why="y")
    log.close("hazards", who="B", why="two sites reported late")
    assert log.open_alarms() == []
    since = log.since()
    assert set(since) == {"hazards"}
    again = watch(fit).look(strangers, since=since)
    first = again.table.iloc[0]
    at = quiet.table.iloc[0]
    assert first["observed"] == max(first["observed_in_all"] - at["observed_in_all"], 0.0)


def test_a_look_that_was_overtaken_or_lacks_patients_is_not_written_down(
    fit: Fit, strangers: tb.Cohort, tmp_path: Path
) -> None:
    log = MonitorLog.begin(tmp_path / "monitor.jsonl")
    look = watch(fit).look(strangers)
    log.add_look(doubled(look, 1.8))
    meanwhile = watch(fit).look(strangers, since=log.since())
    log.close("hazards", who="B", why="late")
    with pytest.raises(StorageError, match="closed since the look was begun"):
        log.add_look(meanwhile)
    fewer = watch(fit).look(strangers.select(strangers.patient_ids[:50]), since=log.since())
    with pytest.raises(StorageError, match="more patients at the last look"):
        log.add_look(fewer)
    log.add_look(watch(fit).look(strangers, since=log.since()))
    with pytest.raises(StorageError, match="another fit"):
        log.add_look(watch(fit.without_patients()).look(strangers, since=log.since()))
    other = AuditLog.begin(tmp_path / "audit.jsonl")
    other.add(None, "view", status=401)
    with pytest.raises(StorageError, match="no log of a monitor"):
        MonitorLog(other.path).add_look(look)


@pytest.mark.requirement("R-062")
def test_a_log_is_of_one_watch_and_finds_what_was_changed(
    fit: Fit, strangers: tb.Cohort, tmp_path: Path
) -> None:
    log = MonitorLog.begin(tmp_path / "monitor.jsonl")
    log.add_look(watch(fit).look(strangers))
    with pytest.raises(StorageError, match="another fit, or other options"):
        log.add_look(watch(fit, alpha=0.01).look(strangers))
    content = bytearray(log.path.read_bytes())
    rng = np.random.default_rng(SEED)
    for _ in range(200):
        k, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
        content[k] ^= bit
        log.path.write_bytes(content)
        with pytest.raises(StorageError):
            log.records()
        content[k] ^= bit
    assert not any(p in bytes(content).decode() for p in strangers.patient_ids)


def test_small_counts_are_hidden_wherever_a_look_is_shown(fit: Fit, strangers: tb.Cohort) -> None:
    few = strangers.select(strangers.patient_ids[:20])
    look = watch(fit).look(few)
    shown = look.shown()
    small = (look.table["observed"] > 0) & (look.table["observed"] < 5)
    assert small.any(), SEED
    assert set(shown.loc[small, "observed"]) <= {"<5", "hidden"}
    hidden = shown["observed"].isin(["<5", "hidden"])
    assert shown.loc[hidden, ["expected", "ratio", "lower", "upper"]].isna().all(axis=None)
    few_people = look.table["patients"] < 5
    assert (
        shown.loc[few_people & (look.table["observed"] > 0), "observed"]
        .isin(["<5", "hidden"])
        .all()
    )
    page = look._repr_html_()
    assert "&lt;5" in page or "hidden" in page
    three = watch(fit).look(strangers.select(strangers.patient_ids[:3]))
    said = "\n".join(three.lines())
    assert "fewer than 5 events, or patients" in said
    assert "expected" not in said
    assert three.shown()[["expected", "ratio"]].isna().all(axis=None) or (
        three.shown().loc[three.shown()["observed"] != "0", "expected"].isna().all()
    )


def test_a_new_centre_may_differ_as_much_as_known_ones_do(fit: Fit, strangers: tb.Cohort) -> None:
    """All from one new centre: the whole variance between centres is added, so less evidence."""
    patients = strangers.patients.assign(centre="elsewhere")
    moved = tb.cohort_from_tables(
        "moved", {**strangers.tables, "patients": patients}, simulated=True, source={"note": "t"}
    )
    cell = watch(fit).cells[0]
    parts = {"all": count_stream(fit, moved)}
    _, _, whole, size = cell.totals(parts, known_centres(fit))
    assert size == len(patients)
    assert whole == pytest.approx(1.0)
    patients = patients.assign(
        centre=["one", "other"] * (len(patients) // 2) + ["one"] * (len(patients) % 2)
    )
    halves = tb.cohort_from_tables(
        "halves", {**strangers.tables, "patients": patients}, simulated=True, source={"note": "t"}
    )
    _, _, both, _ = cell.totals({"all": count_stream(fit, halves)}, known_centres(fit))
    assert 0.5 <= both < 0.7, SEED


def test_without_treatments_there_is_no_policy_to_watch(fit: Fit, tmp_path: Path) -> None:
    registry = tb.datasets.registry()
    age = Term(name="age_years", group="clinical")
    spec = tb.disease("survival", covariates=(age,)).ignoring("complete_remission", "relapse")
    learnt = spec.plan(registry).learnt
    prior = sample_priors(spec, registry, draws=8, seed=SEED)
    tree = xr.DataTree.from_dict({"posterior": prior})
    bare = replace(fit, spec=spec, cohort=registry, learnt=learnt, datatree=tree, laid_out=None)
    people, _ = simulate_registry(seed=SEED, n_patients=60)
    tables = {
        name: frame if name == "variables" else frame.assign(patient_id="X" + frame["patient_id"])
        for name, frame in people.tables.items()
    }
    stream = tb.cohort_from_tables("s", tables, simulated=True, source={"note": "test"})
    look = watch(bare).look(stream)
    assert look.kinds == ("hazards",)
    assert len(look.lines()) == 3  # verdict, hazards, likeness
    log = MonitorLog.begin(tmp_path / "monitor.jsonl")
    assert log.add_look(look)["evidence"].keys() == {"hazards"}
    assert write_monitor_page(look, tmp_path / "page.html", log).stat().st_size > 0


def test_odd_options_are_refused(fit: Fit) -> None:
    for alpha in (0.0, 1.0, np.nan, "much", True):
        with pytest.raises(OptionError, match="alpha must be a probability"):
            watch(fit, alpha=alpha)  # type: ignore[arg-type]
    odd: Any = ((0.0,), (5.0, 4.0), (np.inf,), 365.25, "x", (5.0, 5.001), (True, 3.0))
    for horizons in odd:
        with pytest.raises(OptionError, match="horizons"):
            watch(fit, horizons=horizons)
    with pytest.raises(OptionError, match="a fit of patients is needed"):
        watch(3)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="level"):
        likeness(fit, fit.cohort, level=2.0)


def test_the_command_looks_writes_a_page_and_closes(fit: Fit, tmp_path: Path) -> None:
    def run(*arguments: object) -> Any:
        return CliRunner().invoke(cli.app, ["monitor", *map(str, arguments)])

    log, page = tmp_path / "monitor.jsonl", tmp_path / "monitor.html"
    asked = (STORED, "--stream", "registry", "--log", log)
    found = run(*asked, "--out", page)
    assert found.exit_code == 0, found.output
    assert "Hazards: no alarm" in found.stdout
    told = json.loads(run(*asked, "--json").stdout)
    assert told["alarms"] == []
    text = page.read_text(encoding="utf-8")
    assert "NOT FOR USE" in text
    assert not any(p in text for p in fit.cohort.patient_ids)
    closing = ("--close", "hazards", "--who", "B", "--why", "y")
    assert run(STORED, *closing, "--log", log).exit_code == 2
    assert run(STORED, "--log", log).exit_code == 2
    assert run(*asked, "--alpha", "0.01").exit_code == 2
    assert len(MonitorLog(log).records()) == 2
    nowhere = tmp_path / "typo.jsonl"
    refused = run(STORED, *closing, "--log", nowhere)
    assert refused.exit_code == 2
    assert "no log of the name" in refused.stderr
    assert run(STORED, "--stream", "registry", "--log", nowhere, "--alpha", "2").exit_code == 2
    assert not nowhere.exists()
