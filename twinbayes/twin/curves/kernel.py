"""Posterior of one patient's curve coefficients under every draw of the population.

For one draw, with prior mean mu and precision P of the coefficients c, visits summed up as G and
h, and hazards that follow the curves:

    log p(c) = -1/2 (c - mu)' P (c - mu) - 1/2 c' G c + h' c
               + sum over other visits v of  log f_v(basis_v' c)
               + sum over events of b' c  -  sum over nodes n of  days_n exp(base_n + a_n' c)

It is concave but for Student's t. Newton's method finds its mode; proposals from the normal
approximation there are weighed against the posterior itself, and one is taken in proportion to its
weight. Where mean functions add to linear predictors, `bent_curves` calls the kernel step by step.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from twinbayes.machine.jit import jit
from twinbayes.model.curves.families.branch import call_branch

_STEPS: Final = 30
_CLOSE: Final = 1e-10

_jit: Any = jit(nogil=True)


@_jit
def _log_density(data, c, grad, hess):  # type: ignore[no-untyped-def]
    """Return log p(c); fill its gradient and negative Hessian where these have room."""
    mean, precision, visits, product, event, base, slope, single, parameter = data
    kind, marker, measured, basis, offset = single
    n = len(c)
    value = 0.0
    wanted = len(grad) > 0
    for a in range(n):
        pull, own = 0.0, 0.0
        for b in range(n):
            pull += precision[a, b] * (c[b] - mean[b])
            own += visits[a, b] * c[b]
            if wanted:
                hess[a, b] = precision[a, b] + visits[a, b]
        value += -0.5 * (c[a] - mean[a]) * pull - 0.5 * c[a] * own
        value += (product[a] + event[a]) * c[a]
        if wanted:
            grad[a] = product[a] + event[a] - pull - own
    for k in range(len(base)):
        x = base[k]
        for a in range(n):
            x += slope[k, a] * c[a]
        hazard = np.exp(x)
        value -= hazard
        if wanted:
            for a in range(n):
                grad[a] -= hazard * slope[k, a]
                for b in range(n):
                    hess[a, b] += hazard * slope[k, a] * slope[k, b]
    for v in range(len(kind)):
        eta = offset[v]
        for a in range(n):
            eta += basis[v, a] * c[a]
        log_p, rise, bend = call_branch(
            kind[v, 1], kind[v, 0], measured[v], eta, parameter[marker[v]]
        )
        value += log_p
        if wanted:
            for a in range(n):
                grad[a] += rise * basis[v, a]
                for b in range(n):
                    hess[a, b] += bend * basis[v, a] * basis[v, b]
    return value


@_jit
def _factor(hess):  # type: ignore[no-untyped-def]
    """Cholesky factor in place, lower triangle."""
    n = len(hess)
    for j in range(n):
        for k in range(j):
            hess[j, j] -= hess[j, k] ** 2
        hess[j, j] = np.sqrt(hess[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                hess[i, j] -= hess[i, k] * hess[j, k]
            hess[i, j] /= hess[j, j]


@_jit
def _forward(root, x):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        for k in range(i):
            x[i] -= root[i, k] * x[k]
        x[i] /= root[i, i]


@_jit
def _backward(root, x):  # type: ignore[no-untyped-def]
    for i in range(len(x) - 1, -1, -1):
        for k in range(i + 1, len(x)):
            x[i] -= root[k, i] * x[k]
        x[i] /= root[i, i]


@_jit
def _climb(data, c, trial, grad, hess):  # type: ignore[no-untyped-def]
    """Take c to the mode by Newton's method; return log p there, `hess` factored."""
    no_grad, no_hess = np.empty(0), np.empty((0, 0))
    c[:] = data[0]
    value = _log_density(data, c, grad, hess)
    for _ in range(_STEPS):
        _factor(hess)
        _forward(hess, grad)
        gain = 0.0
        for a in range(len(c)):
            gain += grad[a] ** 2
        _backward(hess, grad)
        length = 1.0
        while True:
            for a in range(len(c)):
                trial[a] = c[a] + length * grad[a]
            new = _log_density(data, trial, no_grad, no_hess)
            if new >= value - 1e-9 * abs(value) or length < 1e-6:
                break
            length *= 0.5
        c[:] = trial
        value = _log_density(data, c, grad, hess)
        if gain < _CLOSE:
            break
    _factor(hess)
    return value


@_jit
def sample_curves(  # type: ignore[no-untyped-def]
    mean, precision, half_log_det, visits, product, event, base, slope, single, parameter,
    noise, uniform, out, evidence, spread,
):  # fmt: skip
    """Draw coefficients for every draw of the population.

    Parameters
    ----------
    mean
        (draw, term), prior means.
    precision, visits
        (draw, term, term), prior precisions; and G.
    half_log_det
        (draw,), half the log determinant of each precision.
    product, event
        (draw, term), h; and the sum of b.
    base
        (draw, node), log of baseline hazard times days; -inf adds nothing.
    slope
        (draw, node, term).
    single
        Visits that count one by one: kind (visit, 2), what each contributes and the address of
        its family's branch; marker (visit,); value (visit, 2), see `twin_branch`; basis (visit,
        term); what is added to the curve (draw, visit).
    parameter
        (draw, marker, number), what families have beside curves.
    noise, uniform
        Standard normal (draw, proposal, term) and uniform (draw,) random numbers.
    out
        (draw, term), filled with one draw each.
    evidence, spread
        (draw,), filled with the log marginal likelihood of the patient up to a constant, and
        with the variance of the weights divided by the square of their mean.
    """
    n_draws, n = mean.shape
    n_proposals = noise.shape[1]
    c, trial, grad = np.empty(n), np.empty(n), np.empty(n)
    hess = np.empty((n, n))
    no_grad, no_hess = np.empty(0), np.empty((0, 0))
    proposals, weight = np.empty((n_proposals, n)), np.empty(n_proposals)
    for s in range(n_draws):
        data = (
            mean[s], precision[s], visits[s], product[s], event[s], base[s], slope[s],
            (single[0], single[1], single[2], single[3], single[4][s]), parameter[s],
        )  # fmt: skip
        value = _climb(data, c, trial, grad, hess)
        log_det = 0.0
        for a in range(n):
            log_det += np.log(hess[a, a])
        largest = -np.inf
        for j in range(n_proposals):
            square = 0.0
            for a in range(n):
                trial[a] = noise[s, j, a]
                square += trial[a] ** 2
            _backward(hess, trial)
            for a in range(n):
                proposals[j, a] = c[a] + trial[a]
            density = _log_density(data, proposals[j], no_grad, no_hess)
            weight[j] = density - value + 0.5 * square
            largest = max(largest, weight[j])
        total, squares = 0.0, 0.0
        for j in range(n_proposals):
            weight[j] = np.exp(weight[j] - largest)
            total += weight[j]
            squares += weight[j] ** 2
        spread[s] = n_proposals * squares / total**2 - 1.0
        evidence[s] = value + half_log_det[s] - log_det + largest + np.log(total / n_proposals)
        left = uniform[s] * total
        chosen = 0
        while chosen < n_proposals - 1 and left > weight[chosen]:
            left -= weight[chosen]
            chosen += 1
        out[s] = proposals[chosen]


@_jit
def newton_steps(  # type: ignore[no-untyped-def]
    mean, precision, visits, product, event, base, slope, single, parameter,
    c, value, step, gain, root,
):  # fmt: skip
    """Take the first two derivatives of log p(c) in every draw of the population.

    Parameters are as in `sample_curves`, but that basis and offset of `single` are (draw, visit,
    term) and (draw, visit). Filled are `value` (draw,), log p(c); `step` (draw, term), Newton's;
    `gain` (draw,), twice what it promises; `root`, the Cholesky factors of the negative Hessians.
    """
    kind, marker, measured, basis, offset = single
    for s in range(len(c)):
        data = (
            mean[s], precision[s], visits[s], product[s], event[s], base[s], slope[s],
            (kind, marker, measured, basis[s], offset[s]), parameter[s],
        )  # fmt: skip
        value[s] = _log_density(data, c[s], step[s], root[s])
        _factor(root[s])
        _forward(root[s], step[s])
        gain[s] = 0.0
        for a in range(step.shape[1]):
            gain[s] += step[s, a] ** 2
        _backward(root[s], step[s])


@_jit
def log_densities(  # type: ignore[no-untyped-def]
    mean, precision, visits, product, event, base, slope, single, parameter, c, value
):
    """Fill `value` (draw,) with log p(c); everything else as in `newton_steps`."""
    kind, marker, measured, basis, offset = single
    no_grad, no_hess = np.empty(0), np.empty((0, 0))
    for s in range(len(c)):
        data = (
            mean[s], precision[s], visits[s], product[s], event[s], base[s], slope[s],
            (kind, marker, measured, basis[s], offset[s]), parameter[s],
        )  # fmt: skip
        value[s] = _log_density(data, c[s], no_grad, no_hess)


@_jit
def away_from(root, noise, out):  # type: ignore[no-untyped-def]
    """Fill `out` (draw, term) with noise (draw, term) of the covariance that `root` factors."""
    for s in range(len(out)):
        out[s] = noise[s]
        _backward(root[s], out[s])
