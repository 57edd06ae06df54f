"""Effects of covariates on hazards, shrunk by a learnt scale a group and intensity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Bools, Floats
from twinbayes.errors import ModelError
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.events.crude import Crude
from twinbayes.model.pooling.centring import Told, power
from twinbayes.model.pooling.protocol import lean_together
from twinbayes.names import BETA, COVARIATE, COVARIATE_GROUP, PRINCIPAL_AXIS, TRANSITION
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

_SCALE = "covariate_scale"
_SHARING = "covariate_sharing"


@dataclass(frozen=True, kw_only=True)
class CovariateEffects:
    """Columns of an encoding, and how their effects on the intensities are shrunk.

    Attributes
    ----------
    encoding
        The columns.
    unshrunk
        Groups that keep the prior's own scale.
    signs
        Of each intensity: 1 and -1 lean together and apart, 0 keeps to itself.
    """

    encoding: Encoding
    unshrunk: tuple[str, ...]
    signs: tuple[float, ...]

    @property
    def groups(self) -> list[str]:
        """Groups with a learnt scale."""
        return [g for g in self.encoding.groups if g not in self.unshrunk]

    def build(self, crude: Crude, priors: PriorSet) -> Tensor:
        """(covariate, transition) effects, one shrinkage scale per (group, transition).

        `crude` decides how they are sampled.
        """
        dims = (COVARIATE, TRANSITION)
        if not self.encoding.columns:
            return pt.zeros((0, len(self.signs)))
        if not self.groups:
            return priors.make(BETA, "covariate_effect", dims=dims)
        scale = priors.make(
            _SCALE, _SCALE, dims=(COVARIATE_GROUP, TRANSITION), qualifiers=self.groups
        )[self._rows]
        # Independent normal offsets look the same along any axes. Along the principal axes of
        # each group, correlated covariates (white cells, blasts, LDH) no longer slow sampling.
        # Axes stay within their group, so they have the scale of its columns.
        axes = self.encoding.principal_axes()
        width = power(scale, self._share_told(crude.along(axes), priors))
        offset = pm.Normal("beta_offset", 0.0, width, dims=(PRINCIPAL_AXIS, TRANSITION)) / width
        if any(self.signs):
            offset = self._leaning(offset, priors)
        rotated = pt.as_tensor(axes) @ offset
        effect: Tensor = scale * rotated
        if not self._shrunk.all():
            effect = pt.where(pt.as_tensor(self._shrunk)[:, None], effect, _fixed(rotated, priors))
        beta: Tensor = pm.Deterministic(BETA, effect, dims=dims)
        return beta

    @property
    def _shrunk(self) -> Bools:
        return np.array([c.group in self.groups for c in self.encoding.columns])

    @property
    def _rows(self) -> Sequence[int]:
        groups = self.groups
        return [groups.index(c.group) if c.group in groups else 0 for c in self.encoding.columns]

    def _share_told(self, told: Told, priors: PriorSet) -> Floats:
        """(axis, transition) share of the data in what is known of each effect."""
        rows = np.where(self._shrunk, self._rows, -1)
        each = [
            Told(told.estimate[:, [k]], told.information[:, [k]]).shares(
                priors, _SCALE, self.groups, rows
            )
            for k in range(len(self.signs))
        ]
        return np.concatenate(each, axis=1)

    def _leaning(self, own: Tensor, priors: PriorSet) -> Tensor:
        """Let offsets of `worse` and `better` lean together; each stays standard normal."""
        ratio = priors.make(_SHARING, _SHARING, dims=(COVARIATE_GROUP,), qualifiers=self.groups)
        shrunk = pt.as_tensor(self._shrunk.astype(np.float64))
        return lean_together(own, (ratio[self._rows] * shrunk)[:, None], self.signs)


def _fixed(rotated: Tensor, priors: PriorSet) -> Tensor:
    """Effects of the groups that are not shrunk."""
    entry = priors.get_entry("covariate_effect")
    if entry.distribution != "Normal" or entry.mixture:
        raise ModelError(
            "Prior 'covariate_effect' must be one Normal where some groups are shrunk and others "
            "are not. Override it, or shrink all groups."
        )
    effect: Tensor = float(entry.arguments["mu"]) + float(entry.arguments["sigma"]) * rotated
    return effect
