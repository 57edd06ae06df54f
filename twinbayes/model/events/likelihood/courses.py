"""The likelihood of records that leave their course open, on top of that of single courses.

Where an event lies between two days, a patient has several courses c with log weights s_c:

    ll_i = log sum_c exp(s_c + ll_c),        d ll_i = sum_c p_c d ll_c,
    p_c = exp(s_c + ll_c - ll_i),

so that the gradient is that of single courses, each counted by its posterior probability.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from twinbayes.machine.jit import jit, native
from twinbayes.machine.native import pointer, view
from twinbayes.model.events.likelihood.kernel import course_loglik

_jit = jit(fast={"contract"})


@_jit
def event_loglik(  # type: ignore[no-untyped-def]
    log_event, log_mean, coef, effect, trail, weight, index, values,
    grad_event, grad_mean, grad_coef, grad_effect, grad_trail, per_patient,
):  # fmt: skip
    """Return the weighted log-likelihood; fill its gradients and each patient's term.

    Parameters
    ----------
    log_event, log_mean
        (intensity, window).
    coef
        (column, intensity).
    effect
        (effect, subgroup).
    trail
        (point,): what moves log hazards within rows, at each node and at each event of such a
        row; empty where nothing does.
    weight
        (patient,): 0 leaves a patient out, 1 counts as observed.
    index, values
        `EventData.pack()`; every patient's subgroup must be one of the fit's.
    grad_event, grad_mean, grad_coef, grad_effect, grad_trail, per_patient
        Outputs, shaped as their inputs; `per_patient` is unweighted and (patient,), or empty
        where nobody wants it.
    """
    patient = index[index[15] : index[16]]
    if len(patient) == 0:
        return course_loglik(
            log_event, log_mean, coef, effect, trail, weight, index, values,
            grad_event, grad_mean, grad_coef, grad_effect, grad_trail, per_patient,
        )  # fmt: skip
    each = np.empty(len(patient))
    course_loglik(
        log_event, log_mean, coef, effect, trail, np.ones(len(patient)), index, values,
        grad_event, grad_mean, grad_coef, grad_effect, grad_trail, each,
    )  # fmt: skip
    first = int(values[6])
    for c in range(len(patient)):
        each[c] += values[first + c]
    total = _summed(patient, each, len(weight))
    counted = np.empty(len(patient))
    for c in range(len(patient)):
        counted[c] = np.exp(each[c] - total[patient[c]]) * weight[patient[c]]
    course_loglik(
        log_event, log_mean, coef, effect, trail, counted, index, values,
        grad_event, grad_mean, grad_coef, grad_effect, grad_trail, np.empty(0),
    )  # fmt: skip
    sum_of_all = 0.0
    for i in range(len(weight)):
        sum_of_all += weight[i] * total[i]
        if len(per_patient) > 0:
            per_patient[i] = total[i]
    return sum_of_all


@_jit
def _summed(patient, each, n):  # type: ignore[no-untyped-def]
    """(patient,) log of the sum of the exponentials of the patient's courses."""
    top, total = np.full(n, -np.inf), np.zeros(n)
    for c in range(len(patient)):
        top[patient[c]] = max(top[patient[c]], each[c])
    for c in range(len(patient)):
        total[patient[c]] += np.exp(each[c] - top[patient[c]])
    for i in range(n):
        total[i] = top[i] + np.log(total[i])
    return total


@_jit
def _vector(frame, at):  # type: ignore[no-untyped-def]
    return view(pointer(frame[at]), (frame[at + 1],), np.float64)


@_jit
def _matrix(frame, at):  # type: ignore[no-untyped-def]
    return view(pointer(frame[at]), (frame[at + 1], frame[at + 2]), np.float64)


def _event_loglik_native(words):  # type: ignore[no-untyped-def]
    frame = view(words, (35,))
    index = view(pointer(frame[16]), (frame[17],), np.int64)
    value = view(pointer(frame[20]), (1,), np.float64)
    value[0] = event_loglik(
        _matrix(frame, 0), _matrix(frame, 3), _matrix(frame, 6), _matrix(frame, 9),
        _vector(frame, 12), _vector(frame, 14), index, _vector(frame, 18),
        _matrix(frame, 21), _matrix(frame, 24), _matrix(frame, 27), _matrix(frame, 30),
        _vector(frame, 33), np.empty(0),
    )  # fmt: skip


@cache
def native_entry() -> Any:
    """`event_loglik` as a C function of one array of words.

    The words are address and shape of the eight inputs, then of the value and five gradients.
    """
    signature = numba.types.void(numba.types.CPointer(numba.types.int64))
    return native(signature, _event_loglik_native, error_model="python")
