"""A frailty: how much more often than others one patient has events, integrated out.

Patient i has one standard normal b_i, of which each log hazard moves by f_e:

    L_i = integral of exp(A_i b - sum_e H_ie exp(f_e b)) N(b; 0, 1) db,   A_i = sum_e d_ie f_e,

d_ie events and H_ie the cumulative hazard of patient i under intensity e at b = 0. The integral is
taken by adaptive Gauss-Hermite quadrature, around the mode of what is integrated and as wide as it
is there: off by less than 1e-6 where |f| is 1.5, and 2e-4 where it is 3, a hazard ratio of 20.
With E the mean over b given the record,

    d log L_i / d log H_ie = -H_ie E exp(f_e b),
    d log L_i / d f_e      = d_ie E b - H_ie E b exp(f_e b),

so that all gradients but that of f are those of patients whose hazards are multiplied by
E exp(f_e b), the `factor`.

Source: Liu and Pierce (1994), Biometrika 81, 624-629, for the quadrature; Rondeau et al. (2007),
Biostatistics 8, 708-721, for frailties that recurrent events and death share.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.machine.jit import inner, jit

_N_NODES: Final = 32
_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(_N_NODES)
# sqrt(2) x_k; and log w_k + x_k^2, of what is integrated with the weight exp(-x^2) taken out
NODES: Final = np.sqrt(2.0) * _NODES
LOG_WEIGHTS: Final = np.log(_WEIGHTS) + _NODES**2
_LOG_SQRT_PI: Final = 0.5 * np.log(np.pi)
N_STEPS: Final = 100  # of Newton's method, far more than it takes
LONGEST_STEP: Final = 2.0
_NEAR: Final = 1e-9

# Gauss-Legendre rule on (0, 1), for means over an episode
_SHARES, _PARTS = np.polynomial.legendre.leggauss(12)
_SHARES, _PARTS = 0.5 * (1.0 + _SHARES), 0.5 * _PARTS
_jit = jit(fast={"contract"})
_inner = inner(fast={"contract", "nsz", "arcp", "reassoc"})


@_inner
def mode_of(pull, hazard, frailty):  # type: ignore[no-untyped-def]
    """Mode of ``pull b - sum hazard exp(frailty b) - b^2 / 2``, and the standard deviation there.

    The function is concave; a step of Newton's method is cut, never turned.
    """
    b, spread = 0.0, 1.0
    for _ in range(N_STEPS):
        slope, bend = pull - b, 1.0
        for e in range(len(frailty)):
            if hazard[e] > 0.0 and frailty[e] != 0.0:
                own = hazard[e] * frailty[e] * np.exp(frailty[e] * b)
                slope -= own
                bend += own * frailty[e]
        spread = 1.0 / np.sqrt(bend)
        step = min(max(slope / bend, -LONGEST_STEP), LONGEST_STEP)
        b += step
        if abs(step) < _NEAR:
            break
    return b, spread


@_inner
def integrate(fired, hazard, frailty, factor, slope):  # type: ignore[no-untyped-def]
    """Return log L of one patient; fill `factor` and `slope`, the gradient of log L by `frailty`.

    Parameters
    ----------
    fired, hazard
        (intensity,) number of events, and cumulative hazard at b = 0.
    frailty
        (intensity,) what one standard deviation of b adds to each log hazard.
    factor, slope
        (intensity,) outputs.
    """
    pull = 0.0
    for e in range(len(frailty)):
        pull += fired[e] * frailty[e]
        factor[e] = slope[e] = 0.0
    middle, spread = mode_of(pull, hazard, frailty)
    log_value = np.empty(_N_NODES)
    top = -np.inf
    for k in range(_N_NODES):
        b = middle + spread * NODES[k]
        value = LOG_WEIGHTS[k] + pull * b - 0.5 * b * b
        for e in range(len(frailty)):
            if hazard[e] > 0.0:
                value -= hazard[e] * np.exp(frailty[e] * b)
        log_value[k] = value
        top = max(top, value)
    total = mean = 0.0
    for k in range(_N_NODES):
        b = middle + spread * NODES[k]
        share = np.exp(log_value[k] - top)
        total += share
        mean += share * b
        for e in range(len(frailty)):
            own = share * np.exp(frailty[e] * b)
            factor[e] += own
            slope[e] -= own * b * hazard[e]
    for e in range(len(frailty)):
        factor[e] /= total
        slope[e] = (slope[e] + fired[e] * mean) / total
    return top + np.log(total) + np.log(spread) - _LOG_SQRT_PI


@_jit
def compensate(order, patient, intensity, episode, fired, cumulative, frailty, out):  # type: ignore[no-untyped-def]
    """Fill `out` (row,): events to be expected in each row, given what came before it.

    Whoever has had no event for long is likelier to have few: within a row too, the frailty is
    that of those who came so far. Added up over patients, events differ from these by no more than
    chance.

    Parameters
    ----------
    order
        Rows patient by patient, and in time.
    patient, intensity, episode, fired
        (row,) whose row, of which intensity and episode, and whether it ends in the event.
    cumulative
        (row,) cumulative hazards at b = 0.
    """
    n = len(frailty)
    before, count, within = np.zeros(n), np.zeros(n), np.empty(n)
    so_far, factor, slope = np.empty(n), np.empty(n), np.empty(n)
    first = 0
    while first < len(order):
        last, r = first, order[first]
        if first == 0 or patient[order[first - 1]] != patient[r]:
            before[:], count[:] = 0.0, 0.0
        within[:] = 0.0
        while last < len(order):
            q = order[last]
            if episode[q] != episode[r]:
                break
            within[intensity[q]] += cumulative[q]
            out[q] = 0.0
            last += 1
        for k in range(len(_SHARES)):
            for e in range(n):
                so_far[e] = before[e] + _SHARES[k] * within[e]
            integrate(count, so_far, frailty, factor, slope)
            for m in range(first, last):
                q = order[m]
                out[q] += _PARTS[k] * factor[intensity[q]] * cumulative[q]
        for m in range(first, last):
            q = order[m]
            before[intensity[q]] += cumulative[q]
            if fired[q]:
                count[intensity[q]] += 1.0
        first = last
