"""The frailty of an event process: how a patient's own level moves several log hazards.

    log h_ie(t) = ... + f_e b_i,    b_i ~ N(0, 1), integrated out of the likelihood

`f` of the first intensity is positive, and the standard deviation of its log hazards over patients
that are alike otherwise. Those of the others have any sign: what shortens the time to one event
may lengthen that to another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.errors import ModelError, require_known
from twinbayes.model.courses.graph import StateGraph
from twinbayes.names import FRAILTY_EFFECT, FRAILTY_OTHER, FRAILTY_SCALE, TRANSITION
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


def require_frailty(on: Sequence[str], graph: StateGraph) -> None:
    """Refuse a frailty that no data could tell.

    Raises
    ------
    ModelError
        It is no tuple of names, moves an intensity that is not there, one twice, or nothing but
        one that nobody has twice.
    """
    if not isinstance(on, tuple) or not all(isinstance(label, str) for label in on):
        raise ModelError("frailty is a tuple of intensities, ('well->well', 'well->dead').")
    for label in on:
        require_known(label, graph.labels, "intensity that a frailty moves")
        if on.count(label) > 1:
            raise ModelError(f"The frailty moves {label!r} twice: name it once.")
    if len(on) == 1 and not graph.recurs(on[0]):
        raise ModelError(
            f"A frailty on {on[0]!r} alone, which no patient has twice, is told by the shape of "
            "one hazard and nothing else. Let it move several intensities, or one that recurs."
        )


def build_frailty(on: Sequence[str], labels: Sequence[str], priors: PriorSet) -> Tensor:
    """Return what one sd of the frailty adds to each log hazard, (intensity,); empty without one.

    Parameters
    ----------
    on
        The intensities that it moves.
    labels
        All intensities.
    """
    if not on:
        return pt.zeros(0)
    first = priors.make(FRAILTY_SCALE, FRAILTY_SCALE)
    own = [pt.atleast_1d(first)]
    if len(on) > 1:
        own.append(
            priors.make(
                "frailty_other_effect", FRAILTY_EFFECT, dims=(FRAILTY_OTHER,), qualifiers=on[1:]
            )
        )
    place = np.zeros((len(labels), len(on)))
    place[[labels.index(label) for label in on], range(len(on))] = 1.0
    effect = pt.as_tensor(place) @ pt.concatenate(own)
    placed: Tensor = pm.Deterministic(FRAILTY_EFFECT, effect, dims=TRANSITION)
    return placed
