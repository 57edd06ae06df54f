"""Complete data sets of a joint model, drawn from its priors by the formulae of `docs/model.md`.

Nothing of the model's graph is used: parameters are drawn, curves followed and event times inverted
here, in numpy, so that a fault of the model cannot hide in its own mirror image. What a model
learns before sampling (columns, windows, scales) is fixed beforehand and the same for all data.

Thirty patients in four subgroups: `common`, `second`, `watched_briefly`, whose follow-up is so
short that often nobody has an event, and `rarest`, of three patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from joint_settings import COLUMN_SCALE, EDGES, Setting
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.model import Learnt
from twinbayes.names import DAYS_PER_YEAR

Floats = np.ndarray
SUBGROUPS: Final = {"common": 14, "second": 8, "watched_briefly": 5, "rarest": 3}  # as a fit orders
HELD_OUT: Final = ("rarest",) * 10 + ("common", "second", "common", "watched_briefly") * 5
VISIT_DAYS: Final = np.arange(0.0, 2200.0, 150.0)
LANDMARK: Final = 365.0
LATER_DAYS: Final = LANDMARK + np.array([180.0, 365.0, 730.0])


def design(subgroups: tuple[str, ...]) -> pd.DataFrame:
    """Patients without anything random: subgroup, treatment, and length of follow-up."""
    n = len(subgroups)
    spread = (np.arange(n) * 0.618034) % 1.0
    brief = np.array(subgroups) == "watched_briefly"
    return pd.DataFrame(
        {
            "patient_id": [f"p{k:02d}" for k in range(n)],
            "subgroup": subgroups,
            "centre": "one",
            "d_penicillamine": (np.arange(n) % 2).astype(float),
            "follow_up": np.where(brief, 40.0 + 80.0 * spread, 700.0 + 1400.0 * spread),
        }
    )


@cache
def learn(setting: Setting) -> Learnt:
    """Columns from the patients, who are the same in all data sets; all else by decree."""
    patients = design(tuple(s for s, n in SUBGROUPS.items() for _ in range(n)))
    n = len(patients)
    ends = {"day": np.full(n, 400.0), "event": np.repeat("last_contact", n)}
    values = np.tile([0.4, 0.8], n)  # never used: scales are replaced below
    who, day = np.repeat(np.arange(n), 2), np.tile([0.0, 200.0], n)
    learnt = setting.spec.plan(tables(setting, patients, ends, who, day, values, True)).learnt
    assert learnt.curves is not None
    assert learnt.encoding.subgroups == tuple(SUBGROUPS)
    (marker,) = learnt.curves.markers
    scales = (1.0, COLUMN_SCALE)
    marker = replace(marker, centre=setting.centre, scale=setting.scale, column_scale=scales)
    curves = replace(learnt.curves, markers=(marker,))
    return replace(learnt, edges=tuple(EDGES for _ in learnt.edges), curves=curves)


def draw_parameters(setting: Setting, generator: np.random.Generator) -> dict[str, Floats]:
    """Population parameters from the priors, named and scaled as a fit reports them."""
    e, w, g = len(setting.spec.graph.labels), len(EDGES) - 1, len(SUBGROUPS)

    def prior(name: str, *shape: int) -> Floats:
        entry = setting.priors.get_entry(name)
        a, z = entry.arguments, generator.standard_normal(shape)
        if entry.distribution == "Normal":
            return np.asarray(a["mu"] + a["sigma"] * z)
        if entry.distribution == "LogNormal":
            return np.exp(a["mu"] + a["sigma"] * z)
        assert entry.distribution == "HalfNormal"
        return np.abs(a["sigma"] * z)

    def zero_sum(rows: int) -> Floats:
        z = generator.standard_normal((rows, g))
        return np.asarray(z - z.mean(axis=1, keepdims=True))

    level, roughness = prior("baseline_level", e), prior("baseline_roughness", e)
    steps = generator.standard_normal((e, w - 1)).cumsum(axis=1)
    by_subgroup, curves_by_subgroup = prior("subgroup_scale", e), prior("curve_subgroup_scale", 2)
    eta = setting.priors.get_entry("patient_correlation").arguments["eta"]
    rho = 2.0 * generator.beta(eta, eta) - 1.0  # LKJ of two coefficients
    natural = np.array([setting.scale, setting.scale / COLUMN_SCALE])
    mean, effect = prior("curve_level", 2), prior("curve_effect", 2)
    at_zero = mean - 0.5 * effect  # half of the patients are treated
    return {
        "log_baseline": np.c_[level, level[:, None] + roughness[:, None] * steps],
        "log_baseline_roughness": roughness,
        "beta": prior("covariate_effect", 1, e),
        "subgroup_scale": by_subgroup,
        "subgroup_effect": by_subgroup[:, None] * zero_sum(e),
        "association": prior("association", e) / setting.scale,
        "curve_effect": np.stack([at_zero * natural + [setting.centre, 0.0], effect * natural]),
        "curve_subgroup_scale": curves_by_subgroup,
        "curve_subgroup_effect": curves_by_subgroup[:, None] * zero_sum(2),
        "patient_sd": prior("patient_sd", 2) * natural,
        "patient_correlation": np.array([[1.0, rho], [rho, 1.0]]),
        "marker_sd": prior("marker_sd", 1) * setting.scale,
    }


def draw_curves(
    setting: Setting,
    truth: Mapping[str, Floats],
    patients: pd.DataFrame,
    generator: np.random.Generator,
    flaw: str = "",
) -> Floats:
    """(patient, coefficient) level and rise a year, on the marker's transformed scale."""
    natural = np.array([setting.scale, setting.scale / COLUMN_SCALE])
    group = [list(SUBGROUPS).index(s) for s in patients["subgroup"]]
    drug = patients["d_penicillamine"].to_numpy()[:, None]
    mean = truth["curve_effect"][0] + drug * truth["curve_effect"][1]
    mean = mean + truth["curve_subgroup_effect"].T[group] * natural
    correlation = truth["patient_correlation"]
    if flaw == "patient correlation dropped":
        correlation = np.eye(2)
    covariance = correlation * np.outer(truth["patient_sd"], truth["patient_sd"])
    noise = generator.standard_normal((len(patients), 2))
    return np.asarray(mean + noise @ np.linalg.cholesky(covariance).T)


def log_hazard(
    setting: Setting, truth: Mapping[str, Floats], patients: pd.DataFrame, curves: Floats
) -> tuple[Floats, Floats]:
    """Log hazards a day, (..., patient, cause, window) on day 0 and (..., patient, cause) a day.

    Parameters and `curves` may have leading dims of draws.
    """
    group = [list(SUBGROUPS).index(s) for s in patients["subgroup"]]
    treated = patients["d_penicillamine"].to_numpy()[:, None] - 0.5
    own = treated * truth["beta"][..., 0, None, :]
    own = own + np.swapaxes(truth["subgroup_effect"][..., group], -1, -2)
    alpha = truth["association"][..., None, :]
    own = own + alpha * (curves[..., :1] - setting.centre)
    rise = alpha * curves[..., 1:] / DAYS_PER_YEAR
    return truth["log_baseline"][..., None, :, :] + own[..., None], rise


def cumulative(log_rate: Floats, rise: Floats, stop: Floats) -> Floats:
    """Integral of ``exp(log_rate[window] + rise * day)`` from 0 to `stop`, exact.

    Shapes (..., window), (...) and (...).
    """
    low = np.minimum(EDGES[:-1], stop[..., None])
    days = np.minimum(EDGES[1:], stop[..., None]) - low
    x = np.where(np.abs(rise) < 1e-12, 1e-12, rise)[..., None]
    return np.asarray((np.exp(log_rate + x * low) * np.expm1(x * days) / x).sum(axis=-1))


def draw_times(log_rate: Floats, rise: Floats, generator: np.random.Generator) -> Floats:
    """(patient, cause) latent event times, by exact inversion of the cumulative hazard."""
    target = generator.exponential(size=rise.shape)
    x = np.where(np.abs(rise) < 1e-12, 1e-12, rise)
    out = np.full(rise.shape, np.inf)
    for w in range(len(EDGES) - 1):
        left = target - cumulative(log_rate, rise, np.full(rise.shape, EDGES[w]))
        at_edge = np.exp(log_rate[..., w] + x * EDGES[w])
        with np.errstate(invalid="ignore", divide="ignore"):
            day = EDGES[w] + np.log1p(left * x / at_edge) / x
        out = np.where((left > 0) & (day <= EDGES[w + 1]), day, out)
    return out


@dataclass(frozen=True)
class HeldOut:
    """Patients alive at the landmark: their record until then, and what came afterwards.

    Attributes
    ----------
    subgroup, cohort
        (patient,) and their records up to the landmark.
    later
        (patient, day) measurements on `LATER_DAYS`, on the marker's own scale.
    time
        (patient,) days from the landmark to the first event, whatever the cause.
    survival
        Function of days since the landmark: (patient,) true probability of no event by then.
    """

    subgroup: tuple[str, ...]
    cohort: Cohort
    later: Floats
    time: Floats
    survival: Callable[[float], Floats]


def draw_held_out(
    setting: Setting, truth: Mapping[str, Floats], generator: np.random.Generator
) -> HeldOut | None:
    """Patients of `HELD_OUT` who live to see the landmark, None where nobody does."""
    patients = design(HELD_OUT)
    curves = draw_curves(setting, truth, patients, generator)
    log_rate, rise = log_hazard(setting, truth, patients, curves)
    time = draw_times(log_rate, rise, generator).min(axis=1)
    alive = time > LANDMARK
    if not alive.any():
        return None
    patients, curves = patients[alive].reset_index(drop=True), curves[alive]
    log_rate, rise, n = log_rate[alive], rise[alive], int(alive.sum())
    early = VISIT_DAYS[VISIT_DAYS < LANDMARK]
    who, day = np.repeat(np.arange(n), len(early)), np.tile(early, n)
    value = _measure(setting, curves, who, day, truth["marker_sd"][0], generator)
    ends = {"day": np.full(n, LANDMARK), "event": np.repeat("last_contact", n)}
    everyone, days = np.repeat(np.arange(n), len(LATER_DAYS)), np.tile(LATER_DAYS, n)
    unlimited = replace(setting, limit=-np.inf)
    later = _measure(unlimited, curves, everyone, days, truth["marker_sd"][0], generator)

    def survival(days: float) -> Floats:
        until = [np.full(rise.shape, LANDMARK + d) for d in (0.0, days)]
        start, end = (cumulative(log_rate, rise, u).sum(axis=1) for u in until)
        return np.exp(start - end)

    return HeldOut(
        tuple(patients["subgroup"]),
        tables(setting, patients, ends, who, day, value, False),
        (np.exp(later) if setting.trajectory.transform == "log" else later).reshape(n, -1),
        time[alive] - LANDMARK,
        survival,
    )


@dataclass(frozen=True)
class Record:
    """Patients, their curves and what was recorded of them, as arrays and as a cohort."""

    patients: pd.DataFrame
    curves: Floats
    stop: Floats
    cause: Floats
    visit_patient: Floats
    visit_day: Floats
    visit_value: Floats
    cohort: Cohort


def draw_record(
    setting: Setting,
    truth: Mapping[str, Floats],
    generator: np.random.Generator,
    flaw: str = "",
) -> Record:
    """One data set: curves, event times, and visits until the end of follow-up."""
    patients = design(tuple(s for s, n in SUBGROUPS.items() for _ in range(n)))
    curves = draw_curves(setting, truth, patients, generator, flaw)
    log_rate, rise = log_hazard(setting, truth, patients, curves)
    if flaw == "association on the slope":
        alpha = truth["association"][None]
        flat = alpha * (curves[:, :1] - setting.centre)
        log_rate, rise = log_rate + (alpha * curves[:, 1:] - flat)[..., None], 0.0 * rise
    times = draw_times(log_rate, rise, generator)
    follow_up = patients["follow_up"].to_numpy()
    stop, cause = np.minimum(times.min(axis=1), follow_up), times.argmin(axis=1)
    cause = np.where(times.min(axis=1) < follow_up, cause, -1)
    if flaw == "competing event ignored":
        stop, cause = np.where(cause == 1, follow_up, stop), np.where(cause == 1, -1, cause)
    who, which = np.nonzero(stop[:, None] > VISIT_DAYS[None, :])
    day = VISIT_DAYS[which]
    error = truth["marker_sd"][0] * (1.25 if flaw == "error 25 % larger" else 1.0)
    value = _measure(setting, curves, who, day, error, generator)
    names = np.array([_EVENTS[t.target] for t in setting.spec.graph.transitions] + ["last_contact"])
    ends = {"day": stop, "event": names[cause]}
    cohort = tables(setting, patients, ends, who, day, value, flaw == "limit taken as measured")
    return Record(patients, curves, stop, cause, who, day, value, cohort)


_EVENTS: Final = {"dead": "death", "transplanted": "transplantation"}


def _measure(
    setting: Setting,
    curves: Floats,
    who: Floats,
    day: Floats,
    error: float,
    generator: np.random.Generator,
) -> Floats:
    eta = curves[who, 0] + curves[who, 1] * day / DAYS_PER_YEAR
    return np.clip(eta + error * generator.standard_normal(len(who)), *setting.bounds)


def tables(
    setting: Setting,
    patients: pd.DataFrame,
    ends: Mapping[str, Any],
    who: Floats,
    day: Floats,
    value: Floats,
    hide_limit: bool,
) -> Cohort:
    """Records as a cohort; a value at the detection limit says so unless `hide_limit`."""
    ids = patients["patient_id"].to_numpy()
    events = pd.DataFrame({"patient_id": ids, **ends})
    left = events[events["event"] == "transplantation"].assign(event="last_contact")
    limited = np.isfinite(setting.limit) and not hide_limit
    below = (value <= setting.limit) & limited
    visits = pd.DataFrame(
        {
            "patient_id": ids[who],
            "day": day,
            "marker": setting.trajectory.marker,
            "value": np.exp(value) if setting.trajectory.transform == "log" else value,
            "censored": np.where(below, "left", "none"),
        }
    )
    variables = pd.DataFrame(
        [
            ("d_penicillamine", "patients", "covariate", "treatment"),
            (setting.trajectory.marker, "visits", "marker", "laboratory"),
        ],
        columns=["name", "table", "role", "group"],
    )
    return cohort_from_tables(
        setting.name,
        {
            "patients": patients.drop(columns="follow_up"),
            "events": pd.concat([events, left], ignore_index=True),
            "visits": visits,
            "variables": variables,
        },
        simulated=True,
    )


def log_likelihood(setting: Setting, truth: Mapping[str, Floats], record: Record) -> Floats:
    """Joint log density of a record given parameters and curves, with leading dims of draws."""
    curves, sd = truth["patient_curve"], truth["marker_sd"]
    who, (low, high) = record.visit_patient, setting.bounds
    eta = curves[..., who, 0] + curves[..., who, 1] * record.visit_day / DAYS_PER_YEAR
    z = (record.visit_value - eta) / sd
    visits = norm.logpdf(z) - np.log(sd)
    visits = np.where(record.visit_value <= low, norm.logcdf(z), visits)
    visits = np.where(record.visit_value >= high, norm.logsf(z), visits)
    log_rate, rise = log_hazard(setting, truth, record.patients, curves)
    stop = np.broadcast_to(record.stop[:, None], rise.shape)
    out = visits.sum(axis=-1) - cumulative(log_rate, rise, stop).sum(axis=(-1, -2))
    fired = np.flatnonzero(record.cause >= 0)
    window = np.searchsorted(EDGES, record.stop[fired], side="left") - 1
    at = log_rate[..., fired, record.cause[fired], window]
    return np.asarray(
        out + (at + rise[..., fired, record.cause[fired]] * record.stop[fired]).sum(axis=-1)
    )
