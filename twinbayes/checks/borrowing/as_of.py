"""A fit as it would be had it seen another record of one patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.arrays import Ints
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.names import CHAIN, DRAW, EVENTS, PATIENT_ID, POSTERIOR, TREATMENTS, VISITS
from twinbayes.twin import Twin


def fit_as_of(fit: Fit, twin: Twin) -> Fit:
    """Return a fit as it would be had it seen a twin's record, and no other of the patient.

    Parameters
    ----------
    fit
        Every draw that it has is used.
    twin
        A twin under these draws of one patient of the fit, whose record is another there.

    Returns
    -------
    Fit
        Its draws are those of `fit` taken as the twin's weights say; its cohort has the twin's
        record of the patient. It is for checks that read draws and records, and has no verdict of
        its own.
    """
    weights = twin.patient_draws(0).weights
    tree = fit.datatree if weights is None else _taken(fit.datatree, weights.index)
    return replace(fit, cohort=with_record(fit.cohort, twin.cohort), datatree=tree)


def _taken(tree: xr.DataTree, index: Ints) -> xr.DataTree:
    """Posterior draws, chains one after the other, in the order of `index`, as many chains."""
    posterior = tree[POSTERIOR].to_dataset()
    chain, draw = np.divmod(index.reshape(posterior.sizes[CHAIN], -1), posterior.sizes[DRAW])
    dims = (CHAIN, DRAW)
    at = {CHAIN: xr.DataArray(chain, dims=dims), DRAW: xr.DataArray(draw, dims=dims)}
    labels = {d: posterior[d].to_numpy() for d in dims if d in posterior.coords}
    taken = posterior.drop_vars(list(labels)).isel(at).assign_coords(labels)
    groups = {str(name): group.to_dataset() for name, group in tree.children.items()}
    return xr.DataTree.from_dict(groups | {POSTERIOR: taken})


def with_record(cohort: Cohort, one: Cohort) -> Cohort:
    """Return a cohort in which patients of another one have the record that they have there."""
    rank = {patient: k for k, patient in enumerate(cohort.patient_ids)}
    tables = {}
    for name in (VISITS, EVENTS, TREATMENTS):
        frame, own = cohort.tables.get(name), one.tables.get(name)
        if frame is None:
            continue
        kept = frame[~frame[PATIENT_ID].isin(one.patient_ids)]
        rows = [f for f in (kept, own) if f is not None and len(f)]
        both = pd.concat(rows, ignore_index=True) if rows else kept
        order = both[PATIENT_ID].map(rank).sort_values(kind="stable").index
        tables[name] = both.loc[order].reset_index(drop=True)
    return cohort.with_rows(tables)
