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
from twinbayes.model.events.likelihood.design import (
    LANES,
    add_moments,
    design_of,
    moments_gradient,
    part_of,
    sparse_gradient,
    sparse_predictors,
)
from twinbayes.model.events.likelihood.frailty import integrate

_jit = jit(fast={"contract", "nsz", "arcp", "reassoc", "nnan"})


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
    sparse_predictors(sparse[0], sparse[1], sparse[2], base, coef, eta)
    add_moments(moments[0], moments[1], moments[2], coef, eta)
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
    sparse_gradient(sparse[0], sparse[1], sparse[2], eta, slope)
    moments_gradient(moments[0], moments[1], moments[2], coef, eta, slope)
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
    lanes = -(-coef.shape[1] // LANES) * LANES
    wide = np.zeros((coef.shape[0], lanes))
    for k in range(coef.shape[0]):
        _copy(coef[k], wide[k])
    return wide


@_jit
def _fill_hazards(  # type: ignore[no-untyped-def]
    rows, log_mean, predictor, trail, weight, index, values, cumulative, grad_mean, grad_trail
):
    """Fill cumulative hazard of each row, and its gradients, from the log hazard ratios."""
    row_start, patient = rows[1], rows[2]
    ratio, weighted = np.empty(len(patient)), np.empty(len(patient))
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
    """Fill the cumulative hazard of each row at risk; inputs as in `course_loglik`.

    Of patients with a frailty, at its mean.
    """
    design, rows, wide = design_of(index, values), _rows_of(index), _in_lanes(coef)
    n = len(rows[0])
    predictor = np.empty(len(cumulative))
    _predict(design, rows, wide, effect, np.empty((n, wide.shape[1])), predictor)
    _fill_hazards(
        rows, log_mean, predictor, trail, np.ones(n), index, values,
        cumulative, np.empty_like(log_mean), np.empty_like(trail),
    )  # fmt: skip


@_jit
def _integrate_frailties(rows, frailty, cumulative, weight, moved, grad_frailty, per_patient):  # type: ignore[no-untyped-def]
    """Return the weighted sum of the patients' log integrals; see `frailty`.

    Adds to `moved` (row,), the log hazard ratios, the log factor of each, to `per_patient` the
    integrals where somebody wants them, and fills `grad_frailty`.
    """
    _, row_start, patient, (event_row, _, _), _ = rows
    n, width = len(weight), len(frailty)
    hazard, fired = np.zeros((n, width)), np.zeros((n, width))
    factor, slope = np.empty((n, width)), np.empty(width)
    for e in range(width):
        for r in range(row_start[e], row_start[e + 1]):
            hazard[patient[r], e] += cumulative[r]
    e = 0
    for r in event_row:
        while r >= row_start[e + 1]:
            e += 1
        fired[patient[r], e] += 1.0
    _fill(grad_frailty, 0.0)
    total = 0.0
    for i in range(n):
        own = integrate(fired[i], hazard[i], frailty, factor[i], slope)
        total += weight[i] * own
        _accumulate(grad_frailty, weight[i], slope)
        if len(per_patient) > 0:
            per_patient[i] += own
    for e in range(width):
        for r in range(row_start[e], row_start[e + 1]):
            moved[r] += np.log(factor[patient[r], e])
    return total


@_jit
def course_loglik(  # type: ignore[no-untyped-def]
    log_event, log_mean, coef, effect, trail, frailty, weight, index, values,
    grad_event, grad_mean, grad_coef, grad_effect, grad_trail, grad_frailty, per_patient,
):  # fmt: skip
    """Return the weighted log-likelihood; fill its gradients and each patient's term.

    Inputs and outputs are those of `courses.event_loglik`, for patients with one course each;
    where some have more, `weight` and `per_patient` are by course.
    """
    design, rows, wide = design_of(index, values), _rows_of(index), _in_lanes(coef)
    patient = rows[2]
    n_rows = len(patient)
    eta = np.empty((len(weight), wide.shape[1]))
    predictor, cumulative = np.empty(n_rows), np.empty(n_rows)
    _predict(design, rows, wide, effect, eta, predictor)
    _fill_hazards(
        rows, log_mean, predictor, trail, weight, index, values, cumulative, grad_mean, grad_trail
    )
    if len(per_patient) > 0:
        _fill(per_patient, 0.0)
    residual, total = np.empty(n_rows), 0.0
    if len(frailty) > 0:
        moved = predictor.copy()
        total = _integrate_frailties(
            rows, frailty, cumulative, weight, moved, grad_frailty, per_patient
        )
        _fill_hazards(
            rows, log_mean, moved, trail, weight, index, values, cumulative, grad_mean, grad_trail
        )
        _counted(weight, patient, -1.0, cumulative, residual)
    else:
        _counted(weight, patient, -1.0, cumulative, residual)
        total = _total(residual)
        if len(per_patient) > 0:
            for r in range(n_rows):
                per_patient[patient[r]] -= cumulative[r]
    total += _add_events(
        rows, log_event, predictor, trail, weight, residual, grad_event, grad_trail, per_patient
    )
    _pull_back(design, rows, wide, residual, eta, grad_coef, grad_effect)
    return total
