"""A fit and the fit that was moved, held against records: observed over expected, and survival."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import HIDDEN, SUPPRESSED, part_words
from twinbayes.errors import OptionError, require_level
from twinbayes.inference import Fit, SharedFit
from twinbayes.monitoring.transport.tally import Exposure, one_cell
from twinbayes.names import DAYS_PER_YEAR, SUBGROUP, SURVIVAL, WHOLE

HAZARDS_TOGETHER: Final = WHOLE
"""Label of the row of all hazards of the disease together; starts of treatments are not in it."""

_RATIOS: Final = ("ratio", "lower", "upper")


def observed_expected(
    fits: Mapping[str, Fit | SharedFit], cohort: Cohort, *, interval: float = 0.9
) -> pd.DataFrame:
    """Hold fits against the records of a new place: events, and those that each fit expected.

    Parameters
    ----------
    fits
        By name, such as ``as is`` and ``moved``; fits of the same model.
    cohort
        Patients of the new place. Those that a fit was moved by flatter it: hold it against later
        ones.
    interval
        Probability of the intervals of ratios.

    Returns
    -------
    DataFrame
        One row a fit and transition, and one of all hazards together: ``fit``, ``transition``,
        ``patients`` at risk, events ``observed`` and ``expected``, their ``ratio`` with interval
        (``lower``, ``upper``; of log-normal shape, with half an event more and with what the fit
        leaves open); NaN where nothing is expected.

    Raises
    ------
    OptionError
        No fits, or `interval` is no probability.
    ModelError
        The cohort does not fit a model.

    Examples
    --------
    >>> from twinbayes.monitoring import observed_expected
    >>> table = observed_expected({"as is": fit}, fit.cohort)
    >>> int(table.set_index("transition").loc["remission->relapse", "observed"])
    4
    """
    require_level(interval, "interval")
    if not fits:
        raise OptionError("Give at least one fit, by name: {'as is': fit, 'moved': moved}.")
    tables = [_of_fit(name, fit, cohort, interval) for name, fit in fits.items()]
    return pd.concat(tables, ignore_index=True)


def as_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `observed_expected` as it may be shown: small counts hidden, and their ratios.

    Returns
    -------
    DataFrame
        ``observed`` as text; NaN for ratios and expectations where it is hidden.
    """
    out = table.drop(columns="patients").assign(observed="")
    for _, mine in table.groupby("fit", sort=False):
        parts = mine[mine["transition"] != HAZARDS_TOGETHER]
        words = part_words(parts["observed"], parts["patients"])
        out.loc[parts.index, "observed"] = words
        hidden = any(w in (SUPPRESSED, HIDDEN) for w in words)
        whole = mine.index.difference(parts.index)
        # One part that is hidden would be told by the sum.
        several = sum(w in (SUPPRESSED, HIDDEN) for w in words) != 1
        sums = [f"{n:.0f}" for n in table.loc[whole, "observed"]]
        out.loc[whole, "observed"] = sums if several or not hidden else [HIDDEN] * len(whole)
    small = table["observed"].between(1, 4) | out["observed"].isin((SUPPRESSED, HIDDEN))
    out.loc[small & ~out["observed"].isin((SUPPRESSED, HIDDEN)), "observed"] = SUPPRESSED
    out.loc[small, ["expected", *_RATIOS]] = np.nan
    return out


def survival_of_a_typical_patient(
    fits: Mapping[str, Fit | SharedFit], cohort: Cohort, *, until: float = 2 * DAYS_PER_YEAR
) -> dict[str, xr.Dataset]:
    """Survival from origin of somebody of the most frequent subgroup, under each fit.

    Nothing else is known of the person, and each fit draws covariates from what it has learnt.

    Parameters
    ----------
    fits
        By name.
    cohort
        Patients of the new place.
    until
        Days since origin.

    Returns
    -------
    dict
        By fit, a forecast with ``survival`` and its interval.
    """
    subgroup = str(cohort.patients[SUBGROUP].astype(str).mode()[0])
    out = {}
    for name, fit in fits.items():
        shared = fit.without_patients()
        person = shared.new_patient(subgroup=subgroup, covariates={})
        out[name] = shared.twin(person).forecast(until=until)[
            [SURVIVAL, f"{SURVIVAL}_lower", f"{SURVIVAL}_upper"]
        ]
    return out


def _of_fit(name: str, fit: Fit | SharedFit, cohort: Cohort, interval: float) -> pd.DataFrame:
    known = cohort.patients[SUBGROUP].astype(str).isin(fit.learnt.encoding.subgroups).to_numpy()
    cohort = cohort if known.all() else cohort.select(np.array(cohort.patient_ids)[known].tolist())
    exposure = Exposure.of(fit, cohort)
    tally = exposure.tally(*one_cell(exposure))
    labels = list(map(str, fit.spec.graph.labels))
    starts = {f"{t.source}->{t.target}" for t in fit.spec.graph.transitions}
    hazards = [k for k, x in enumerate(labels) if x in starts]
    rows = []
    for about, columns in ((HAZARDS_TOGETHER, hazards), *((x, [k]) for k, x in enumerate(labels))):
        n = float(tally.observed[:, columns].sum())
        by_draw = tally.expected[:, :, columns].sum(axis=(1, 2, 3, 4))
        who = np.concatenate([exposure.data.patient[exposure.rows(e)] for e in columns])
        mean = float(by_draw.mean())
        ratio = low = high = np.nan
        if mean > 0.0:
            v = float(np.var(np.log(np.maximum(by_draw, 1e-300))))
            away = NormalDist().inv_cdf(0.5 + interval / 2) * np.sqrt(1.0 / (n + 0.5) + v)
            ratio, around = n / mean, (n + 0.5) / mean
            low, high = around * np.exp(-away) if n else 0.0, around * np.exp(away)
        rows.append((name, about, len(np.unique(who)), n, mean, ratio, low, high))
    columns_of = ["fit", "transition", "patients", "observed", "expected", *_RATIOS]
    return pd.DataFrame(rows, columns=columns_of)
