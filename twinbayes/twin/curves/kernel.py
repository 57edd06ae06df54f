"""Posterior of one patient's curve coefficients under every draw of the population.

For one draw, with prior mean mu and precision P of the coefficients c, visits summed up as G and
h, and hazards that follow the curves:

    log p(c) = -1/2 (c - mu)' P (c - mu) - 1/2 c' G c + h' c
               + sum over other visits v of  log f_v(basis_v' c)
               + sum over events of b' c  -  sum over nodes n of  days_n exp(base_n + a_n' c)

It is concave but for Student's t. Newton's method finds its mode; proposals from the normal
approximation there are weighed against the posterior itself, and one is taken in proportion to its
weight. Where mean functions add to linear predictors, `bent` calls the kernel step by step.

Arrays have draws last, and draws go along together, so that inner loops over them vectorise.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from twinbayes.machine.jit import inner, jit
from twinbayes.machine.special import exponential
from twinbayes.model.curves.families.branch import call_branch

_STEPS: Final = 30
_CLOSE: Final = 1e-10
_SHORTEST: Final = 1e-6
_LANES: Final = 64  # draws that go along together: their numbers stay in the nearest cache

_FAST: Final = {"contract", "nsz"}
_jit: Any = jit(fast=_FAST, nogil=True)
_inner: Any = inner(fast=_FAST, nogil=True)


@_inner
def _densities(data, at, c, value, grad, hess, work):  # type: ignore[no-untyped-def]
    """Fill `value` with log p(c); gradient and lower negative Hessian where these have room.

    `at` are the first of the draws that go along, and how many they are; c (term, lane), value
    (lane,), grad (term, lane), hess (term, term, lane), and work (3, lane) are theirs alone.
    """
    mean, precision, visits, linear, base, slope, single, parameter = data
    first, lanes = at
    n, wanted = len(c), len(grad) > 0
    pull, own = work[0], work[1]
    for d in range(lanes):
        value[d] = 0.0
    for a in range(n):
        for d in range(lanes):
            pull[d] = own[d] = 0.0
        for b in range(n):
            for d in range(lanes):
                pull[d] += precision[a, b, first + d] * (c[b, d] - mean[b, first + d])
            for d in range(lanes):
                own[d] += visits[a, b, first + d] * c[b, d]
        for d in range(lanes):
            value[d] -= 0.5 * (c[a, d] - mean[a, first + d]) * pull[d]
        for d in range(lanes):
            value[d] += c[a, d] * (linear[a, first + d] - 0.5 * own[d])
        if wanted:
            for d in range(lanes):
                grad[a, d] = linear[a, first + d] - pull[d] - own[d]
            for b in range(a + 1):
                for d in range(lanes):
                    hess[a, b, d] = precision[a, b, first + d] + visits[a, b, first + d]
    _add_nodes(base, slope, at, c, value, grad, hess, work)
    _add_visits(single, parameter, at, c, value, grad, hess)


@_inner
def _add_nodes(base, slope, at, c, value, grad, hess, work):  # type: ignore[no-untyped-def]
    """Take cumulative hazards off."""
    first, lanes = at
    n, wanted = len(c), len(grad) > 0
    hazard, steep = work[0], work[1]
    for k in range(len(base)):
        for d in range(lanes):
            hazard[d] = base[k, first + d]
        for a in range(n):
            for d in range(lanes):
                hazard[d] += slope[k, a, first + d] * c[a, d]
        for d in range(lanes):
            hazard[d] = exponential(hazard[d])
        for d in range(lanes):
            value[d] -= hazard[d]
        if wanted:
            for a in range(n):
                for d in range(lanes):
                    steep[d] = hazard[d] * slope[k, a, first + d]
                for d in range(lanes):
                    grad[a, d] -= steep[d]
                for b in range(a + 1):
                    for d in range(lanes):
                        hess[a, b, d] += steep[d] * slope[k, b, first + d]


@_inner
def _add_visits(single, parameter, at, c, value, grad, hess):  # type: ignore[no-untyped-def]
    """Add the visits that count one by one, each by the branch of its family."""
    kind, marker, measured, basis, offset = single
    first, lanes = at
    n, wanted = len(c), len(grad) > 0
    for v in range(len(kind)):
        for d in range(lanes):
            s = first + d
            eta = offset[v, s]
            for a in range(n):
                eta += basis[v, a, s] * c[a, d]
            log_p, rise, bend = call_branch(
                kind[v, 1], kind[v, 0], measured[v], eta, parameter[s, marker[v]]
            )
            value[d] += log_p
            if wanted:
                for a in range(n):
                    grad[a, d] += rise * basis[v, a, s]
                    for b in range(a + 1):
                        hess[a, b, d] += bend * basis[v, a, s] * basis[v, b, s]


@_inner
def _factor(hess, lanes):  # type: ignore[no-untyped-def]
    """Cholesky factors in place, lower triangles."""
    n = len(hess)
    for j in range(n):
        for k in range(j):
            for d in range(lanes):
                hess[j, j, d] -= hess[j, k, d] ** 2
        for d in range(lanes):
            hess[j, j, d] = np.sqrt(hess[j, j, d])
        for i in range(j + 1, n):
            for k in range(j):
                for d in range(lanes):
                    hess[i, j, d] -= hess[i, k, d] * hess[j, k, d]
            for d in range(lanes):
                hess[i, j, d] /= hess[j, j, d]


@_inner
def _forward(root, x, lanes):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        for k in range(i):
            for d in range(lanes):
                x[i, d] -= root[i, k, d] * x[k, d]
        for d in range(lanes):
            x[i, d] /= root[i, i, d]


@_inner
def _backward(root, x, lanes):  # type: ignore[no-untyped-def]
    for i in range(len(x) - 1, -1, -1):
        for k in range(i + 1, len(x)):
            for d in range(lanes):
                x[i, d] -= root[k, i, d] * x[k, d]
        for d in range(lanes):
            x[i, d] /= root[i, i, d]


@_inner
def _steps(hess, grad, gain, lanes):  # type: ignore[no-untyped-def]
    """Factor `hess`, make Newton's steps of `grad`, and fill `gain`, twice what they promise."""
    _factor(hess, lanes)
    _forward(hess, grad, lanes)
    for d in range(lanes):
        gain[d] = 0.0
    for a in range(len(grad)):
        for d in range(lanes):
            gain[d] += grad[a, d] ** 2
    _backward(hess, grad, lanes)


@_inner
def _climb(data, at, c, value, hess, work):  # type: ignore[no-untyped-def]
    """Take c to the modes by Newton's method; fill `value` there, and `hess`, factored."""
    n, lanes = len(c), at[1]
    trial, step, grad = np.empty((3, n, _LANES))
    new, gain, length = np.empty((3, _LANES))
    for a in range(n):
        for d in range(lanes):
            c[a, d] = data[0][a, at[0] + d]
    moving = np.ones(_LANES, dtype=np.bool_)
    _densities(data, at, c, value, step, hess, work)
    for _ in range(_STEPS):
        _steps(hess, step, gain, lanes)
        for d in range(lanes):
            length[d] = 1.0 if moving[d] else 0.0
        is_short = True
        while is_short:
            for a in range(n):
                for d in range(lanes):
                    trial[a, d] = c[a, d] + length[d] * step[a, d]
            _densities(data, at, trial, new, grad, hess, work)
            is_short = False
            for d in range(lanes):
                good = new[d] >= value[d] - 1e-9 * abs(value[d]) or length[d] < _SHORTEST
                if not good:
                    length[d] *= 0.5
                    is_short = True
        is_moving = False
        for d in range(lanes):
            if moving[d]:
                value[d] = new[d]
                for a in range(n):
                    c[a, d] = trial[a, d]
                moving[d] = not gain[d] < _CLOSE
                is_moving = is_moving or moving[d]
        if not is_moving:
            break
        step[:] = grad
    _factor(hess, lanes)


@_jit
def sample_curves(  # type: ignore[no-untyped-def]
    mean, precision, half_log_det, visits, linear, base, slope, single, parameter,
    noise, log_weight, uniform, out, evidence, spread,
):  # fmt: skip
    """Draw coefficients for every draw of the population.

    Parameters
    ----------
    mean
        (term, draw), prior means.
    precision, visits
        (term, term, draw), prior precisions; and G.
    half_log_det
        (draw,), half the log determinant of each precision.
    linear
        (term, draw), h and the sum of b.
    base
        (node, draw), log of baseline hazard times days; -inf adds nothing.
    slope
        (node, term, draw).
    single
        Visits that count one by one: kind (visit, 2), what each contributes and the address of
        its family's branch; marker (visit,); value (visit, 2), see `twin_branch`; basis (visit,
        term, draw); what is added to the curve (visit, draw).
    parameter
        (draw, marker, number), what families have beside curves.
    noise, log_weight, uniform
        Standard normal (draw, proposal, term) and uniform (draw,) random numbers; and (proposal,)
        how much each counts, 0 for random ones. Points and weights of a quadrature rule for the
        normal distribution do as well, times their number.
    out
        (term, draw), filled with one draw each.
    evidence, spread
        (draw,), filled with the log marginal likelihood of the patient up to a constant, and
        with the variance of the weights divided by the square of their mean.
    """
    data = (mean, precision, visits, linear, base, slope, single, parameter)
    n, n_draws = mean.shape
    n_proposals = noise.shape[1]
    c, away = np.empty((2, n, _LANES))
    value, density, square, log_det = np.empty((4, _LANES))
    hess, work = np.empty((n, n, _LANES)), np.empty((2, _LANES))
    no_grad, no_hess = np.empty((0, _LANES)), np.empty((0, 0, _LANES))
    proposals = np.empty((n_proposals, n, _LANES))
    weight = np.empty((n_proposals, _LANES))
    for first in range(0, n_draws, _LANES):
        lanes = min(_LANES, n_draws - first)
        at = (first, lanes)
        _climb(data, at, c, value, hess, work)
        for j in range(n_proposals):
            for d in range(lanes):
                square[d] = 0.0
            for a in range(n):
                for d in range(lanes):
                    away[a, d] = noise[first + d, j, a]
                for d in range(lanes):
                    square[d] += away[a, d] ** 2
            _backward(hess, away, lanes)
            for a in range(n):
                for d in range(lanes):
                    proposals[j, a, d] = c[a, d] + away[a, d]
            _densities(data, at, proposals[j], density, no_grad, no_hess, work)
            for d in range(lanes):
                weight[j, d] = density[d] - value[d] + 0.5 * square[d] + log_weight[j]
        for d in range(lanes):
            log_det[d] = 0.0
            for a in range(n):
                log_det[d] += np.log(hess[a, a, d])
        for d in range(lanes):
            evidence[first + d] = value[d] + half_log_det[first + d] - log_det[d]
        _choose(proposals, weight, uniform, at, out, evidence, spread)


@_inner
def _choose(proposals, weight, uniform, at, out, evidence, spread):  # type: ignore[no-untyped-def]
    """Take one proposal in proportion to its weight, given as its log."""
    first, lanes = at
    n_proposals = len(weight)
    for d in range(lanes):
        s, largest, total, squares = first + d, -np.inf, 0.0, 0.0
        for j in range(n_proposals):
            largest = max(largest, weight[j, d])
        for j in range(n_proposals):
            weight[j, d] = np.exp(weight[j, d] - largest)
            total += weight[j, d]
            squares += weight[j, d] ** 2
        spread[s] = n_proposals * squares / total**2 - 1.0
        evidence[s] += largest + np.log(total / n_proposals)
        left = uniform[s] * total
        chosen = 0
        while chosen < n_proposals - 1 and left > weight[chosen, d]:
            left -= weight[chosen, d]
            chosen += 1
        for a in range(len(out)):
            out[a, s] = proposals[chosen, a, d]


@_jit
def newton_steps(  # type: ignore[no-untyped-def]
    mean, precision, visits, linear, base, slope, single, parameter, c, step, gain, root,
):  # fmt: skip
    """Take the first two derivatives of log p(c) in every draw of the population.

    Parameters are as in `sample_curves`; c is (term, draw). Filled are `step` (term, draw),
    Newton's; `gain` (draw,), twice what it promises; and the lower triangles of `root` (term, term,
    draw), the Cholesky factors of the negative Hessians.
    """
    data = (mean, precision, visits, linear, base, slope, single, parameter)
    n, n_draws = c.shape
    own, grad, hess = np.empty((n, _LANES)), np.empty((n, _LANES)), np.empty((n, n, _LANES))
    value, new, work = np.empty(_LANES), np.empty(_LANES), np.empty((2, _LANES))
    for first in range(0, n_draws, _LANES):
        lanes = min(_LANES, n_draws - first)
        own[:, :lanes] = c[:, first : first + lanes]
        _densities(data, (first, lanes), own, value, grad, hess, work)
        _steps(hess, grad, new, lanes)
        step[:, first : first + lanes] = grad[:, :lanes]
        gain[first : first + lanes] = new[:lanes]
        root[:, :, first : first + lanes] = hess[:, :, :lanes]


@_jit
def log_densities(  # type: ignore[no-untyped-def]
    mean, precision, visits, linear, base, slope, single, parameter, c, out
):
    """Fill `out` (draw,) with log p(c); everything else as in `newton_steps`."""
    data = (mean, precision, visits, linear, base, slope, single, parameter)
    n, n_draws = c.shape
    own, value, work = np.empty((n, _LANES)), np.empty(_LANES), np.empty((2, _LANES))
    no_grad, no_hess = np.empty((0, _LANES)), np.empty((0, 0, _LANES))
    for first in range(0, n_draws, _LANES):
        lanes = min(_LANES, n_draws - first)
        own[:, :lanes] = c[:, first : first + lanes]
        _densities(data, (first, lanes), own, value, no_grad, no_hess, work)
        out[first : first + lanes] = value[:lanes]


@_jit
def away_from(root, out):  # type: ignore[no-untyped-def]
    """Turn noise, `out` (term, draw), into noise of the covariance that `root` factors."""
    _backward(root, out, out.shape[1])
