"""The hot loop: log-likelihood of event histories and its gradient in one pass.

Compiled by numba and cached on disk, so that a new process does not compile it again.
Notation of one row r of patient i under intensity e:

    eta = (x_i - shift) . coef[:, e] + 1/2 sum_k s2_ik coef[k, e]^2 + sum_f effect[f, g_i]
    ll  = d (log_event[e, w] + eta) - exp(eta) sum_j exp(log_mean[e, j]) exposure_rj

Where a patient's trajectory moves the hazard within a row, the integral is over the nodes n of a
Gauss-Legendre rule in each window: exp(eta) sum_n exp(log_mean[e, j_n] + trail_n) days_n.

The second term of eta integrates a missing covariate with conditional mean x and variance s2
out of the hazard: exact for a normal covariate, second order for a binary one.

The work is laid out for vector units: patients x 8 intensities in registers, then rows of one
intensity side by side. Loops are written out: an expression of arrays, or one assigned to a slice,
takes numba a second or two to compile, with what it says when shapes differ.
"""

from __future__ import annotations

import numpy as np

from twinbayes.machine.jit import jit
from twinbayes.machine.special import exponentials
from twinbayes.model.events import packed

_LANES = 8
_jit = jit(fast={"contract", "nsz", "arcp", "reassoc", "nnan"})


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
def _fill(out, value):  # type: ignore[no-untyped-def]
    for r in range(len(out)):
        out[r] = value


@_jit
def _copy(values, out):  # type: ignore[no-untyped-def]
    for r in range(len(values)):
        out[r] = values[r]


@_jit
def _inner(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for r in range(len(a)):
        total += a[r] * b[r]
    return total


@_jit
def _total(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for r in range(len(values)):
        total += values[r]
    return total


@_jit
def _counted(weight, patient, sign, values, out):  # type: ignore[no-untyped-def]
    """out[r] = sign w[i] values[r] for the patient i of each row."""
    for r in range(len(values)):
        out[r] = sign * weight[np.uint64(patient[r])] * values[r]


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
def part_of(vector, k):  # type: ignore[no-untyped-def]
    """Return part `k` of a vector of packed arrays; see `EventData.pack`."""
    return vector[int(vector[k]) : int(vector[k + 1])]


@_jit
def _design_of(index, values):  # type: ignore[no-untyped-def]
    """Unpack the design: compressed rows, moments, dense columns, centring."""
    sparse = (
        part_of(index, packed.AT_COLUMN_START),
        part_of(index, packed.AT_COLUMN),
        part_of(values, packed.AT_VALUE),
    )
    moments = (
        part_of(index, packed.AT_MOMENT_START),
        part_of(index, packed.AT_MOMENT_COLUMN),
        part_of(values, packed.AT_MOMENT),
    )
    columns = part_of(index, packed.AT_DENSE_COLUMN)
    n_patients = len(part_of(index, packed.AT_SUBGROUP))
    dense = part_of(values, packed.AT_DENSE).reshape((len(columns), n_patients))
    return sparse, moments, columns, dense, part_of(values, packed.AT_SHIFT)


@_jit
def _rows_of(index):  # type: ignore[no-untyped-def]
    """Unpack the rows: where each intensity's start, their patients, events, acting effects."""
    subgroup, patient = part_of(index, packed.AT_SUBGROUP), part_of(index, packed.AT_PATIENT)
    events = (
        part_of(index, packed.AT_EVENT_ROW),
        part_of(index, packed.AT_EVENT_WINDOW),
        part_of(index, packed.AT_EVENT_POINT),
    )
    acting = part_of(index, packed.AT_ACTING_ROW), part_of(index, packed.AT_ACTING)
    return subgroup, part_of(index, packed.AT_ROW_START), patient, events, acting


@_jit
def _nodes_of(index, values):  # type: ignore[no-untyped-def]
    """Unpack the nodes of rows whose hazard follows the trail: row, window, days."""
    return (
        part_of(index, packed.AT_NODE_ROW),
        part_of(index, packed.AT_NODE_WINDOW),
        part_of(values, packed.AT_NODE_DAYS),
    )


@_jit
def _predict(design, rows, coef, effect, eta, predictor):  # type: ignore[no-untyped-def]
    """Fill the log hazard ratio of each row; `eta` (patient, lanes) is workspace."""
    sparse, moments, columns, dense, shift = design
    subgroup, row_start, patient, _, (acting_row, acting) = rows
    base = np.zeros(coef.shape[1])
    for k in range(len(shift)):
        _accumulate(base, -shift[k], coef[k])
    _sparse_predictors(sparse[0], sparse[1], sparse[2], base, coef, eta)
    _add_moments(moments[0], moments[1], moments[2], coef, eta)
    across = np.empty(len(subgroup))  # the dense part of one intensity, by patient
    for e in range(len(row_start) - 1):
        _fill(across, 0.0)
        for c in range(len(columns)):
            _accumulate(across, coef[columns[c], e], dense[c])
        _read_patients(patient, row_start[e], row_start[e + 1], eta[:, e], across, predictor)
    for a in range(len(acting)):
        predictor[acting_row[a]] += effect[acting[a], subgroup[patient[acting_row[a]]]]


@_jit
def _accrue(row_start, exposure, log_mean, weighted, cumulative, grad_mean):  # type: ignore[no-untyped-def]
    """Add up baseline cumulative hazards by row; fill the gradient of the mean log rates."""
    at = 0
    for e in range(log_mean.shape[0]):
        first, last = row_start[e], row_start[e + 1]
        for j in range(log_mean.shape[1]):
            days = exposure[at : at + last - first]
            at += last - first
            rate = np.exp(log_mean[e, j])
            _accumulate(cumulative[first:last], rate, days)
            grad_mean[e, j] = -rate * _inner(days, weighted[first:last])


@_jit
def _accrue_along(  # type: ignore[no-untyped-def]
    rows, nodes, log_mean, predictor, trail, weight, cumulative, grad_mean, grad_trail
):
    """Add up the cumulative hazards of rows whose hazard follows the trail, node by node."""
    _, row_start, patient, _, _ = rows
    node_row, node_window, days = nodes
    hazard = np.empty(len(node_row))
    e = 0
    for n in range(len(node_row)):
        r = node_row[n]
        while r >= row_start[e + 1]:
            e += 1
        hazard[n] = log_mean[e, node_window[n]] + predictor[r] + trail[n]
    exponentials(hazard, hazard)
    e = 0
    for n in range(len(node_row)):
        r = node_row[n]
        while r >= row_start[e + 1]:
            e += 1
        own = hazard[n] * days[n]
        cumulative[r] += own
        own *= weight[patient[r]]
        grad_mean[e, node_window[n]] -= own
        grad_trail[n] = -own


@_jit
def _add_events(  # type: ignore[no-untyped-def]
    rows, log_event, predictor, trail, weight, residual, grad_event, grad_trail, per_patient
):
    """Return the events' share of the log-likelihood; add it to residuals and patients."""
    _, row_start, patient, (event_row, event_window, event_point), _ = rows
    total, e = 0.0, 0
    for one in grad_event:
        _fill(one, 0.0)
    for m in range(len(event_row)):
        r, j = event_row[m], event_window[m]
        while r >= row_start[e + 1]:
            e += 1
        i = patient[r]
        own = log_event[e, j] + predictor[r]
        if event_point[m] >= 0:
            own += trail[event_point[m]]
            grad_trail[event_point[m]] = weight[i]
        total += weight[i] * own
        grad_event[e, j] += weight[i]
        residual[r] += weight[i]
        if len(per_patient) > 0:
            per_patient[i] += own
    return total


@_jit
def _pull_back(design, rows, coef, residual, eta, grad_coef, grad_effect):  # type: ignore[no-untyped-def]
    """Carry the rows' residuals back to coefficients and effects; `eta` is workspace."""
    sparse, moments, columns, dense, shift = design
    subgroup, row_start, patient, _, (acting_row, acting) = rows
    slope = np.zeros(coef.shape)
    sums = np.zeros(len(row_start) - 1)
    across = np.empty(len(subgroup))
    for e in range(len(sums)):
        _fill(across, 0.0)
        _add_patients(patient, row_start[e], row_start[e + 1], residual, across)
        sums[e] = _total(across)
        for c in range(len(columns)):
            slope[columns[c], e] = _inner(across, dense[c])
        _copy(across, eta[:, e])
    _sparse_gradient(sparse[0], sparse[1], sparse[2], eta, slope)
    _moments_gradient(moments[0], moments[1], moments[2], coef, eta, slope)
    for k in range(len(shift)):
        for e in range(len(sums)):
            grad_coef[k, e] = slope[k, e] - shift[k] * sums[e]
    for one in grad_effect:
        _fill(one, 0.0)
    for a in range(len(acting)):
        r = acting_row[a]
        grad_effect[acting[a], subgroup[patient[r]]] += residual[r]


@_jit
def _in_lanes(coef):  # type: ignore[no-untyped-def]
    """Widen coefficients to whole registers of intensities."""
    lanes = -(-coef.shape[1] // _LANES) * _LANES
    wide = np.zeros((coef.shape[0], lanes))
    for k in range(coef.shape[0]):
        _copy(coef[k], wide[k])
    return wide


@_jit
def _fill_hazards(  # type: ignore[no-untyped-def]
    design, rows, log_mean, wide, effect, trail, weight, index, values,
    eta, predictor, cumulative, grad_mean, grad_trail,
):  # fmt: skip
    """Fill log hazard ratio and cumulative hazard of each row, and the gradients of the latter."""
    row_start, patient = rows[1], rows[2]
    ratio, weighted = np.empty(len(patient)), np.empty(len(patient))
    _predict(design, rows, wide, effect, eta, predictor)
    exponentials(predictor, ratio)
    _fill(cumulative, 0.0)
    _counted(weight, patient, 1.0, ratio, weighted)
    exposure = part_of(values, packed.AT_EXPOSURE)
    _accrue(row_start, exposure, log_mean, weighted, cumulative, grad_mean)
    for r in range(len(patient)):
        cumulative[r] *= ratio[r]
    nodes = _nodes_of(index, values)
    _accrue_along(
        rows, nodes, log_mean, predictor, trail, weight, cumulative, grad_mean, grad_trail
    )


@_jit
def cumulative_hazards(  # type: ignore[no-untyped-def]
    log_mean, coef, effect, trail, index, values, cumulative
):
    """Fill the cumulative hazard of each row at risk; inputs as in `course_loglik`."""
    design, rows, wide = _design_of(index, values), _rows_of(index), _in_lanes(coef)
    n = len(rows[0])
    _fill_hazards(
        design, rows, log_mean, wide, effect, trail, np.ones(n), index, values,
        np.empty((n, wide.shape[1])), np.empty(len(cumulative)), cumulative,
        np.empty_like(log_mean), np.empty_like(trail),
    )  # fmt: skip


@_jit
def course_loglik(  # type: ignore[no-untyped-def]
    log_event, log_mean, coef, effect, trail, weight, index, values,
    grad_event, grad_mean, grad_coef, grad_effect, grad_trail, per_patient,
):  # fmt: skip
    """Return the weighted log-likelihood; fill its gradients and each patient's term.

    Inputs and outputs are those of `courses.event_loglik`, for patients with one course each;
    where some have more, `weight` and `per_patient` are by course.
    """
    design, rows, wide = _design_of(index, values), _rows_of(index), _in_lanes(coef)
    patient = rows[2]
    n_rows = len(patient)
    eta = np.empty((len(weight), wide.shape[1]))
    predictor, cumulative = np.empty(n_rows), np.empty(n_rows)
    _fill_hazards(
        design, rows, log_mean, wide, effect, trail, weight, index, values,
        eta, predictor, cumulative, grad_mean, grad_trail,
    )  # fmt: skip
    if len(per_patient) > 0:
        _fill(per_patient, 0.0)
        for r in range(n_rows):
            per_patient[patient[r]] -= cumulative[r]
    residual = np.empty(n_rows)
    _counted(weight, patient, -1.0, cumulative, residual)
    total = _total(residual)
    total += _add_events(
        rows, log_event, predictor, trail, weight, residual, grad_event, grad_trail, per_patient
    )
    _pull_back(design, rows, wide, residual, eta, grad_coef, grad_effect)
    return total
