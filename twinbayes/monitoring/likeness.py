"""Whether patients are like those whom a fit has learnt from, before it forecasts them."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import chi2

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, is_number, told
from twinbayes.inference import Fit, SharedFit
from twinbayes.names import CENTRE, PATIENT_ID, SUBGROUP

_WHY: Final = {
    SUBGROUP: "subgroup unknown to the fit",
    "covariates": "covariates further from the mean than those of the fit's patients",
}


def likeness(fit: Fit | SharedFit, cohort: Cohort, *, level: float = 0.04) -> pd.DataFrame:
    """Say of each patient how many of the fit's patients are as far from their mean.

    The Mahalanobis distance of the covariates that are known, under the normal model that the fit
    has of them. Those of the fit's own patients are as if each had been left out, so that a
    patient drawn like them has a share that is uniform: at most `level` of such are flagged
    (conformal prediction: Vovk, Gammerman & Shafer 2022, chapter 2). A fit without patients has no
    distances to compare with, and takes them to be of normal covariates: with rare lesions among
    them, more are flagged.

    Parameters
    ----------
    fit
        The fit that is to forecast.
    cohort
        The patients.
    level
        Share of the fit's patients who are as far, below which a patient is flagged.

    Returns
    -------
    DataFrame
        Index ``patient_id``; ``share``, of the fit's patients as far from the mean or further;
        ``flagged``; ``why``, empty where not flagged; ``new_centre``, whether the fit has learnt
        nothing of the centre, which flags nobody.

    Raises
    ------
    OptionError
        `level` is no probability.
    ModelError
        A covariate of the model is not in the cohort.

    Examples
    --------
    >>> from twinbayes.monitoring import likeness
    >>> bool(likeness(fit, fit.cohort)["flagged"].mean() < 0.1)
    True
    """
    if not is_number(level) or not 0.0 < level < 1.0:
        raise OptionError(f"level must be a probability between 0 and 1, not {told(level)}.")
    encoding = fit.learnt.encoding
    share = _tail(*encoding.normal.distances(encoding.observed(cohort)))
    if isinstance(fit, Fit):
        own = _own_tails(fit)
        as_far = np.sum(own[None, :] <= share[:, None], axis=1).astype(float)
        share = (1.0 + as_far) / (len(own) + 1.0)
    place = cohort.patients
    foreign = ~place[SUBGROUP].astype(str).isin(encoding.subgroups).to_numpy()
    far = share < level
    why = np.where(foreign, _WHY[SUBGROUP], np.where(far, _WHY["covariates"], ""))
    return pd.DataFrame(
        {
            "share": share,
            "flagged": foreign | far,
            "why": why,
            "new_centre": ~place[CENTRE].astype(str).isin(encoding.centres).to_numpy(),
        },
        index=pd.Index(cohort.patient_ids, name=PATIENT_ID),
    )


def _own_tails(fit: Fit) -> Floats:
    """Of the fit's patients, as if mean and covariance had been learnt from the others alone.

    With S from all n, the squared distance without patient i is d (n - 1) / (n - 1 - d n / (n - 1))
    but for a factor near 1 (Penny 1996, Applied Statistics 45, 73-81).
    """
    encoding = fit.learnt.encoding
    squared, known = encoding.normal.distances(encoding.observed(fit.cohort))
    n = float(fit.cohort.n_patients)
    left = np.maximum(1.0 - squared * n / (n - 1.0) ** 2, 1.0 / n) if n > 1.0 else 1.0
    return _tail(squared / left, known)


def _tail(squared: Floats, known: Floats) -> Floats:
    """Probability of a distance as large, of as many normal columns; 1 where nothing is known."""
    out: Floats = np.where(known > 0.0, chi2.sf(squared, np.maximum(known, 1.0)), 1.0)
    return out
