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
from twinbayes.model.events.crude import CrudeEstimates
from twinbayes.model.pooling.centring import Told, turned
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

    def build(self, crude: CrudeEstimates, priors: PriorSet) -> Tensor:
        """(covariate, transition) effects, one shrinkage scale per (group, transition).

        `crude` decides how they are sampled.
        """
        dims = (COVARIATE, TRANSITION)
        if not self.encoding.columns:
            return pt.zeros((0, len(self.signs)))
        if not self.groups:
            return priors.make(BETA, "covariate_effect", dims=dims)
        shrinkage = priors.make(
            _SCALE, _SCALE, dims=(COVARIATE_GROUP, TRANSITION), qualifiers=self.groups
        )
        mean, sd = self._unshrunk_prior(priors)
        shrunk = pt.as_tensor(self._shrunk[:, None])
        scale = pt.where(shrunk, shrinkage[self._rows], sd)
        axes, told = self._axes(crude)
        offset = told.deviations("beta_offset", scale, (PRINCIPAL_AXIS, TRANSITION)) / scale
        # independent standard normal offsets are so along any axes of their group
        rotated = turned(axes, offset.T).T
        if any(self.signs):
            rotated = self._leaning(rotated, priors)
        effect = pt.where(shrunk, 0.0, mean) + scale * rotated
        beta: Tensor = pm.Deterministic(BETA, effect, dims=dims)
        return beta

    @property
    def _shrunk(self) -> Bools:
        return np.array([c.group in self.groups for c in self.encoding.columns])

    @property
    def _rows(self) -> Sequence[int]:
        groups = self.groups
        return [groups.index(c.group) if c.group in groups else 0 for c in self.encoding.columns]

    def _axes(self, crude: CrudeEstimates) -> tuple[Floats, Told]:
        """Axes of each group along which the data tell of effects independently.

        Correlated covariates (white cells, blasts, LDH) do not slow sampling along them. Axes stay
        within their group, so that they have the scale of its columns.

        Returns
        -------
        axes, told
            (transition, column, axis), and what is told along them, (axis, transition).
        """
        columns, n = self.encoding.columns, len(self.signs)
        axes = np.zeros((n, len(columns), len(columns)))
        estimate, information = np.zeros((2, len(columns), n))
        for group in self.encoding.groups:
            members = np.array([k for k, c in enumerate(columns) if c.group == group])
            turned, told = crude.told(members).along_axes(np.eye(len(members)))
            axes[:, members[:, None], members] = turned
            estimate[members], information[members] = told.estimate.T, told.information.T
        return axes, Told(estimate, information)

    def _unshrunk_prior(self, priors: PriorSet) -> tuple[float, float]:
        """Mean and standard deviation of the effects of groups that are not shrunk."""
        if self._shrunk.all():
            return 0.0, 1.0
        entry = priors.get_entry("covariate_effect")
        if entry.distribution != "Normal" or entry.mixture:
            raise ModelError(
                "Prior 'covariate_effect' must be one Normal where some groups are shrunk and "
                "others are not. Override it, or shrink all groups."
            )
        return float(entry.arguments["mu"]), float(entry.arguments["sigma"])

    def _leaning(self, own: Tensor, priors: PriorSet) -> Tensor:
        """Let offsets of `worse` and `better` lean together; each stays standard normal."""
        ratio = priors.make(_SHARING, _SHARING, dims=(COVARIATE_GROUP,), qualifiers=self.groups)
        shrunk = pt.as_tensor(self._shrunk.astype(np.float64))
        return lean_together(own, (ratio[self._rows] * shrunk)[:, None], self.signs)
