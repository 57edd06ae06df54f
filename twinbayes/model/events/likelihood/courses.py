"""The likelihood of records that leave their course open, on top of that of single courses.

Where an event lies between two days, a patient has several courses c with log weights s_c:

    ll_i = log sum_c exp(s_c + ll_c),        d ll_i = sum_c p_c d ll_c,
    p_c = exp(s_c + ll_c - ll_i),

so that the gradient is that of single courses, each counted by its posterior probability.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import Any, Final

import numba
import numpy as np

from twinbayes.machine.jit import jit, native
from twinbayes.machine.native import pointer, view
from twinbayes.model.events import packed
from twinbayes.model.events.likelihood.design import part_of
from twinbayes.model.events.likelihood.kernel import course_loglik

_jit = jit(fast={"contract"})


@_jit
def event_loglik(  # type: ignore[no-untyped-def]
    log_event, log_mean, coef, effect, trail, frailty, weight, index, values,
    grad_event, grad_mean, grad_coef, grad_effect, grad_trail, grad_frailty, per_patient,
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
    frailty
        (intensity,): what one standard deviation of a patient's frailty adds to each log hazard;
        empty without a frailty.
    weight
        (patient,): 0 leaves a patient out, 1 counts as observed.
    index, values
        `EventData.pack()`; every patient's subgroup must be one of the fit's.
    grad_event, grad_mean, grad_coef, grad_effect, grad_trail, grad_frailty, per_patient
        Outputs, shaped as their inputs; `per_patient` is unweighted and (patient,), or empty
        where nobody wants it.
    """
    patient = part_of(index, packed.AT_COURSE_PATIENT)
    if len(patient) == 0:
        return course_loglik(
            log_event, log_mean, coef, effect, trail, frailty, weight, index, values,
            grad_event, grad_mean, grad_coef, grad_effect, grad_trail, grad_frailty, per_patient,
        )  # fmt: skip
    each = np.empty(len(patient))
    course_loglik(
        log_event, log_mean, coef, effect, trail, frailty, np.ones(len(patient)), index, values,
        grad_event, grad_mean, grad_coef, grad_effect, grad_trail, grad_frailty, each,
    )  # fmt: skip
    log_share = part_of(values, packed.AT_LOG_SHARE)
    for c in range(len(patient)):
        each[c] += log_share[c]
    total = _summed(patient, each, len(weight))
    counted = np.empty(len(patient))
    for c in range(len(patient)):
        counted[c] = np.exp(each[c] - total[patient[c]]) * weight[patient[c]]
    course_loglik(
        log_event, log_mean, coef, effect, trail, frailty, counted, index, values,
        grad_event, grad_mean, grad_coef, grad_effect, grad_trail, grad_frailty, np.empty(0),
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


# What `native_entry` is given, in order, and the number of dims of each. An array takes one word
# for its address and one for each dim.
_GIVEN: Final = {
    "log_event": 2, "log_mean": 2, "coef": 2, "effect": 2, "trail": 1, "frailty": 1,
    "weight": 1, "index": 1, "values": 1, "loglik": 0,
    "grad_event": 2, "grad_mean": 2, "grad_coef": 2, "grad_effect": 2, "grad_trail": 1,
    "grad_frailty": 1,
}  # fmt: skip
_ENDS: Final = dict(zip(_GIVEN, accumulate(1 + n for n in _GIVEN.values()), strict=True))
_FIRST: Final = {name: end - 1 - _GIVEN[name] for name, end in _ENDS.items()}
_N_WORDS: Final = max(_ENDS.values())
_AT_LOG_EVENT: Final = _FIRST["log_event"]
_AT_LOG_MEAN: Final = _FIRST["log_mean"]
_AT_COEF: Final = _FIRST["coef"]
_AT_EFFECT: Final = _FIRST["effect"]
_AT_TRAIL: Final = _FIRST["trail"]
_AT_FRAILTY: Final = _FIRST["frailty"]
_AT_WEIGHT: Final = _FIRST["weight"]
_AT_INDEX: Final = _FIRST["index"]
_AT_VALUES: Final = _FIRST["values"]
_AT_LOGLIK: Final = _FIRST["loglik"]
_AT_GRAD_EVENT: Final = _FIRST["grad_event"]
_AT_GRAD_MEAN: Final = _FIRST["grad_mean"]
_AT_GRAD_COEF: Final = _FIRST["grad_coef"]
_AT_GRAD_EFFECT: Final = _FIRST["grad_effect"]
_AT_GRAD_TRAIL: Final = _FIRST["grad_trail"]
_AT_GRAD_FRAILTY: Final = _FIRST["grad_frailty"]


@_jit
def _vector(frame, at):  # type: ignore[no-untyped-def]
    return view(pointer(frame[at]), (frame[at + 1],), np.float64)


@_jit
def _matrix(frame, at):  # type: ignore[no-untyped-def]
    return view(pointer(frame[at]), (frame[at + 1], frame[at + 2]), np.float64)


def _event_loglik_native(words):  # type: ignore[no-untyped-def]
    frame = view(words, (_N_WORDS,))
    index = view(pointer(frame[_AT_INDEX]), (frame[_AT_INDEX + 1],), np.int64)
    value = view(pointer(frame[_AT_LOGLIK]), (1,), np.float64)
    value[0] = event_loglik(
        _matrix(frame, _AT_LOG_EVENT), _matrix(frame, _AT_LOG_MEAN),
        _matrix(frame, _AT_COEF), _matrix(frame, _AT_EFFECT),
        _vector(frame, _AT_TRAIL), _vector(frame, _AT_FRAILTY), _vector(frame, _AT_WEIGHT),
        index, _vector(frame, _AT_VALUES),
        _matrix(frame, _AT_GRAD_EVENT), _matrix(frame, _AT_GRAD_MEAN),
        _matrix(frame, _AT_GRAD_COEF), _matrix(frame, _AT_GRAD_EFFECT),
        _vector(frame, _AT_GRAD_TRAIL), _vector(frame, _AT_GRAD_FRAILTY), np.empty(0),
    )  # fmt: skip


@cache
def native_entry() -> Any:
    """`event_loglik` as a C function of one array of words.

    The words are address and shape of each array in `_GIVEN`.
    """
    signature = numba.types.void(numba.types.CPointer(numba.types.int64))
    return native(signature, _event_loglik_native, error_model="python")
