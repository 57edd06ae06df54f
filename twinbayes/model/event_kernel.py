"""The hot loop: log-likelihood of event histories and its gradient in one pass.

Compiled by numba and cached on disk, so that a new process does not compile it again.
Notation of one row r of patient i under intensity e:

    eta = (x_i - shift) . coef[:, e] + 1/2 sum_k s2_ik coef[k, e]^2 + sum_f effect[f, g_i]
    ll  = d (log_event[e, w] + eta) - exp(eta) sum_j exp(log_mean[e, j]) exposure_rj

The second term of eta integrates a missing covariate with conditional mean x and variance s2
out of the hazard: exact for a normal covariate, second order for a binary one.

The work is laid out for vector units: patients x 8 intensities in registers, then rows of one
intensity side by side.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LANES = 8
# Adding 1.5 * 2^52 to a double rounds it to an integer that can be read off its low bits.
_ROUND = 6755399441055744.0
_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LARGEST = 700.0  # exp beyond it overflows; a sampler only meets it on its way out

_jit = numba.njit(
    cache=True, error_model="numpy", fastmath={"contract", "nsz", "arcp", "reassoc", "nnan"}
)
# Without re-association: it would cancel the rounding constant against itself.
_jit_exact = numba.njit(cache=True, error_model="numpy", fastmath={"contract"})


@_jit_exact
def exponentials(x: Any, out: Any) -> None:
    """Fill out with exp(x), vectorised; relative error below 4e-16 for |x| <= 700."""
    rounded = np.empty(len(x))
    bits = rounded.view(np.int64)
    for r in range(len(x)):
        z = min(max(x[r], -_LARGEST), _LARGEST)
        rounded[r] = z * _LOG2E + _ROUND
    for r in range(len(x)):
        z = min(max(x[r], -_LARGEST), _LARGEST)
        n = rounded[r] - _ROUND
        y = (z - n * _LN2_HIGH) - n * _LN2_LOW
        # Taylor series to degree 13 on |y| <= ln(2) / 2.
        p = 1.0 / 6227020800
        p = p * y + 1.0 / 479001600
        p = p * y + 1.0 / 39916800
        p = p * y + 1.0 / 3628800
        p = p * y + 1.0 / 362880
        p = p * y + 1.0 / 40320
        p = p * y + 1.0 / 5040
        p = p * y + 1.0 / 720
        p = p * y + 1.0 / 120
        p = p * y + 1.0 / 24
        p = p * y + 1.0 / 6
        p = p * y + 0.5
        p = p * y + 1.0
        out[r] = p * y + 1.0
    for r in range(len(x)):
        bits[r] = (bits[r] + 1023) << 52
    for r in range(len(x)):
        out[r] *= rounded[r]


@_jit
def _sparse_predictors(column_start, column, value, base, coef, eta):  # type: ignore[no-untyped-def]
    """Fill eta (patient, lanes): base + sparse rows times coefficients, eight lanes in registers.

    Unsigned indices spare numba's check for negative ones.
    """
    for block in range(0, coef.shape[1], _LANES):
        j0 = np.uint64(block)
        j1, j2, j3 = np.uint64(block + 1), np.uint64(block + 2), np.uint64(block + 3)
        j4, j5 = np.uint64(block + 4), np.uint64(block + 5)
        j6, j7 = np.uint64(block + 6), np.uint64(block + 7)
        for i in range(eta.shape[0]):
            a0, a1, a2, a3 = base[j0], base[j1], base[j2], base[j3]
            a4, a5, a6, a7 = base[j4], base[j5], base[j6], base[j7]
            for m in range(column_start[i], column_start[i + 1]):
                k, x = np.uint64(column[m]), value[m]
                a0 += x * coef[k, j0]
                a1 += x * coef[k, j1]
                a2 += x * coef[k, j2]
                a3 += x * coef[k, j3]
                a4 += x * coef[k, j4]
                a5 += x * coef[k, j5]
                a6 += x * coef[k, j6]
                a7 += x * coef[k, j7]
            eta[i, j0], eta[i, j1], eta[i, j2], eta[i, j3] = a0, a1, a2, a3
            eta[i, j4], eta[i, j5], eta[i, j6], eta[i, j7] = a4, a5, a6, a7


@_jit
def _sparse_gradient(column_start, column, value, eta, grad):  # type: ignore[no-untyped-def]
    """Add to grad (column, lanes) the transpose of `_sparse_predictors`."""
    for block in range(0, grad.shape[1], _LANES):
        j0 = np.uint64(block)
        j1, j2, j3 = np.uint64(block + 1), np.uint64(block + 2), np.uint64(block + 3)
        j4, j5 = np.uint64(block + 4), np.uint64(block + 5)
        j6, j7 = np.uint64(block + 6), np.uint64(block + 7)
        for i in range(eta.shape[0]):
            g0, g1, g2, g3 = eta[i, j0], eta[i, j1], eta[i, j2], eta[i, j3]
            g4, g5, g6, g7 = eta[i, j4], eta[i, j5], eta[i, j6], eta[i, j7]
            for m in range(column_start[i], column_start[i + 1]):
                k, x = np.uint64(column[m]), value[m]
                grad[k, j0] += x * g0
                grad[k, j1] += x * g1
                grad[k, j2] += x * g2
                grad[k, j3] += x * g3
                grad[k, j4] += x * g4
                grad[k, j5] += x * g5
                grad[k, j6] += x * g6
                grad[k, j7] += x * g7


@_jit
def _add_moments(moment_start, moment_column, moment, coef, eta):  # type: ignore[no-untyped-def]
    """eta += s2 coef^2 / 2 for the missing entries of each patient."""
    for i in range(eta.shape[0]):
        for m in range(moment_start[i], moment_start[i + 1]):
            k, half = moment_column[m], 0.5 * moment[m]
            for e in range(coef.shape[1]):
                eta[i, e] += half * coef[k, e] * coef[k, e]


@_jit
def _moments_gradient(moment_start, moment_column, moment, coef, eta, grad):  # type: ignore[no-untyped-def]
    """Add to grad (column, lanes) the derivative of `_add_moments`."""
    for i in range(eta.shape[0]):
        for m in range(moment_start[i], moment_start[i + 1]):
            k, s2 = moment_column[m], moment[m]
            for e in range(coef.shape[1]):
                grad[k, e] += s2 * coef[k, e] * eta[i, e]


@_jit
def _accumulate(out, factor, values):  # type: ignore[no-untyped-def]
    for r in range(len(out)):
        out[r] += factor * values[r]


@_jit
def _inner(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for r in range(len(a)):
        total += a[r] * b[r]
    return total


@_jit
def _read_patients(patient, first, last, a, b, out):  # type: ignore[no-untyped-def]
    """out[r] = a[i] + b[i] for the patient i of each row."""
    for r in range(first, last):
        i = np.uint64(patient[r])
        out[r] = a[i] + b[i]


@_jit
def _add_patients(patient, first, last, values, out):  # type: ignore[no-untyped-def]
    """out[i] += values[r] for the patient i of each row."""
    for r in range(first, last):
        out[np.uint64(patient[r])] += values[r]


@_jit
def event_loglik(  # type: ignore[no-untyped-def]
    log_event,
    log_mean,
    coef,
    effect,
    weight,
    index,
    values,
    grad_event,
    grad_mean,
    grad_coef,
    grad_effect,
    per_patient,
):
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
        Outputs, shaped as their inputs; `per_patient` is unweighted and (patient,), or empty
        where nobody wants it.
        Every patient's subgroup must be one of the fit's.
    """
    column_start = index[index[0] : index[1]]
    column = index[index[1] : index[2]]
    moment_start = index[index[2] : index[3]]
    moment_column = index[index[3] : index[4]]
    subgroup = index[index[4] : index[5]]
    row_start = index[index[5] : index[6]]
    patient = index[index[6] : index[7]]
    event_row = index[index[7] : index[8]]
    event_window = index[index[8] : index[9]]
    acting_row = index[index[9] : index[10]]
    acting = index[index[10] : index[11]]
    dense_column = index[index[11] : index[12]]
    value = values[int(values[0]) : int(values[1])]
    moment = values[int(values[1]) : int(values[2])]
    exposure = values[int(values[2]) : int(values[3])]
    shift = values[int(values[3]) : int(values[4])]
    n_patients, n_rows = len(subgroup), len(patient)
    dense = values[int(values[4]) : int(values[5])].reshape((len(dense_column), n_patients))

    n_intensities, n_windows = log_mean.shape
    lanes = -(-n_intensities // _LANES) * _LANES
    wide = np.zeros((len(shift), lanes))
    wide[:, :n_intensities] = coef
    base = np.zeros(lanes)
    for k in range(len(shift)):
        _accumulate(base, -shift[k], wide[k])
    eta = np.empty((n_patients, lanes))
    _sparse_predictors(column_start, column, value, base, wide, eta)
    _add_moments(moment_start, moment_column, moment, wide, eta)
    predictor = np.empty(n_rows)
    across = np.empty(n_patients)  # one intensity's dense part, then its gradient, by patient
    for e in range(n_intensities):
        across[:] = 0.0
        for c in range(len(dense_column)):
            _accumulate(across, coef[dense_column[c], e], dense[c])
        _read_patients(patient, row_start[e], row_start[e + 1], eta[:, e], across, predictor)
    for a in range(len(acting)):
        predictor[acting_row[a]] += effect[acting[a], subgroup[patient[acting_row[a]]]]
    ratio = np.empty(n_rows)
    exponentials(predictor, ratio)

    # cumulative hazards, and the gradient of the mean rates
    cumulative = np.zeros(n_rows)
    weighted = ratio if np.all(weight == 1.0) else ratio * weight[patient]
    at = 0
    for e in range(n_intensities):
        first, last = row_start[e], row_start[e + 1]
        for j in range(n_windows):
            days = exposure[at : at + last - first]
            at += last - first
            rate = np.exp(log_mean[e, j])
            _accumulate(cumulative[first:last], rate, days)
            grad_mean[e, j] = -rate * _inner(days, weighted[first:last])
    if len(per_patient) > 0:
        per_patient[:] = 0.0
        _add_patients(patient, 0, n_rows, -cumulative * ratio, per_patient)
    residual = -cumulative * weighted
    total = np.sum(residual)
    grad_event[:] = 0.0
    e = 0
    for m in range(len(event_row)):
        r, j = event_row[m], event_window[m]
        while r >= row_start[e + 1]:
            e += 1
        i = patient[r]
        own = log_event[e, j] + predictor[r]
        total += weight[i] * own
        grad_event[e, j] += weight[i]
        residual[r] += weight[i]
        if len(per_patient) > 0:
            per_patient[i] += own

    # the gradient by patient, which eta holds from here on, then by column
    slope = np.zeros((len(shift), lanes))
    sums = np.zeros(n_intensities)
    for e in range(n_intensities):
        across[:] = 0.0
        _add_patients(patient, row_start[e], row_start[e + 1], residual, across)
        sums[e] = np.sum(across)
        for c in range(len(dense_column)):
            slope[dense_column[c], e] = _inner(across, dense[c])
        eta[:, e] = across
    grad_effect[:] = 0.0
    for a in range(len(acting)):
        r = acting_row[a]
        grad_effect[acting[a], subgroup[patient[r]]] += residual[r]
    _sparse_gradient(column_start, column, value, eta, slope)
    _moments_gradient(moment_start, moment_column, moment, wide, eta, slope)
    for k in range(len(shift)):
        for e in range(n_intensities):
            grad_coef[k, e] = slope[k, e] - shift[k] * sums[e]
    return total
