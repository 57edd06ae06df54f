"""The hot loop: log-likelihood of event histories and its gradient in one pass.

Compiled by numba and cached on disk, so that a new process does not compile it again.
Notation of one row r of patient i under intensity e:

    eta = (x_i - shift) . coef[:, e] + 1/2 sum_k s2_ik coef[k, e]^2 + sum_f effect[f, g_i]
    ll  = d (log_event[e, w] + eta) - exp(eta) sum_j exp(log_mean[e, j]) exposure_rj

The second term integrates a missing covariate with conditional mean x and variance s2 out of
the hazard: exact for a normal covariate, second order for a binary one.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})
def event_loglik(
    log_event: Floats,
    log_mean: Floats,
    coef: Floats,
    effect: Floats,
    weight: Floats,
    index: Ints,
    values: Floats,
    grad_event: Floats,
    grad_mean: Floats,
    grad_coef: Floats,
    grad_effect: Floats,
    per_patient: Floats,
) -> float:
    """Return the weighted log-likelihood; fill its gradients and each patient's term.

    Parameters
    ----------
    log_event, log_mean
        (intensity, window).
    coef
        (column, intensity).
    effect
        (effect, subgroup).
    weight
        (patient,): 0 leaves a patient out, 1 counts as observed.
    index, values
        `EventData.pack()`.
    grad_event, grad_mean, grad_coef, grad_effect, per_patient
        Outputs, shaped as their inputs; `per_patient` is unweighted and (patient,).
        Effects of a subgroup outside the fit (index -1) are not modelled here.
    """
    column_start = index[index[0] : index[1]]
    column = index[index[1] : index[2]]
    moment_start = index[index[2] : index[3]]
    moment_column = index[index[3] : index[4]]
    subgroup = index[index[4] : index[5]]
    row_start = index[index[5] : index[6]]
    intensity = index[index[6] : index[7]]
    is_event = index[index[7] : index[8]]
    event_window = index[index[8] : index[9]]
    effect_start = index[index[9] : index[10]]
    acting = index[index[10] : index[11]]
    cell_start = index[index[11] : index[12]]
    window = index[index[12] : index[13]]
    value = values[int(values[0]) : int(values[1])]
    moment = values[int(values[1]) : int(values[2])]
    exposure = values[int(values[2]) : int(values[3])]
    shift = values[int(values[3]) : int(values[4])]

    n_intensity, n_window = log_mean.shape
    rate = np.exp(log_mean)
    base = np.zeros(n_intensity)
    grad_base = np.zeros(n_intensity)
    for k in range(len(shift)):
        for e in range(n_intensity):
            base[e] -= shift[k] * coef[k, e]
    eta = np.empty(n_intensity)
    grad_eta = np.empty(n_intensity)
    grad_event[:] = 0.0
    grad_mean[:] = 0.0
    grad_coef[:] = 0.0
    grad_effect[:] = 0.0
    total = 0.0
    for i in range(len(subgroup)):
        w = weight[i]
        g = subgroup[i]
        eta[:] = base
        grad_eta[:] = 0.0
        for m in range(column_start[i], column_start[i + 1]):
            k, x = column[m], value[m]
            for e in range(n_intensity):
                eta[e] += x * coef[k, e]
        for m in range(moment_start[i], moment_start[i + 1]):
            k, half = moment_column[m], 0.5 * moment[m]
            for e in range(n_intensity):
                eta[e] += half * coef[k, e] * coef[k, e]
        own = 0.0
        for r in range(row_start[i], row_start[i + 1]):
            e = intensity[r]
            predictor = eta[e]
            for f in range(effect_start[r], effect_start[r + 1]):
                predictor += effect[acting[f], g]
            ratio = np.exp(predictor)
            cumulative = 0.0
            for c in range(cell_start[r], cell_start[r + 1]):
                cell = rate[e, window[c]] * exposure[c] * ratio
                cumulative += cell
                grad_mean[e, window[c]] -= w * cell
            own -= cumulative
            residual = -w * cumulative
            if is_event[r] == 1:
                own += log_event[e, event_window[r]] + predictor
                grad_event[e, event_window[r]] += w
                residual += w
            grad_eta[e] += residual
            for f in range(effect_start[r], effect_start[r + 1]):
                grad_effect[acting[f], g] += residual
        per_patient[i] = own
        if w == 0.0:
            continue
        total += w * own
        grad_base += grad_eta
        for m in range(column_start[i], column_start[i + 1]):
            k, x = column[m], value[m]
            for e in range(n_intensity):
                grad_coef[k, e] += x * grad_eta[e]
        for m in range(moment_start[i], moment_start[i + 1]):
            k, s2 = moment_column[m], moment[m]
            for e in range(n_intensity):
                grad_coef[k, e] += s2 * coef[k, e] * grad_eta[e]
    for k in range(len(shift)):
        for e in range(n_intensity):
            grad_coef[k, e] -= shift[k] * grad_base[e]
    return total
