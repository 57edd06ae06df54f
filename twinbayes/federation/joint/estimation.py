"""From expansions and scores to a posterior: what is computed of all patients next, and the end.

It does not matter who holds the patients: sites that answer a server, or shards of one cohort.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.federation.joint.approximation import Agreement, Approximation
from twinbayes.federation.joint.blocks import Blocks
from twinbayes.federation.joint.certificate import Certificate
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.posterior import FederatedPosterior, federated
from twinbayes.inference.files.provenance import OF_WEIGHTED
from twinbayes.names import POSTERIOR

NEWTON: Final = 4
"""Expansions before the first sampling."""

SCORINGS: Final = 3
"""Times that draws are scored, at most; between two of them is one more expansion."""

EXPANSION: Final = "expansion"
SCORE: Final = "score"


@dataclass(frozen=True)
class Place:
    """Where the likelihood of all patients is to be expanded.

    Attributes
    ----------
    point, spread
        As of `LocalLikelihood.expansion`.
    """

    point: Floats = field(repr=False)
    spread: tuple[Floats, ...] | None = field(repr=False)


@dataclass(frozen=True)
class Draws:
    """Draws (draw, coordinate) that are to be scored; as of `LocalLikelihood.totals`."""

    values: Floats = field(repr=False)


@dataclass(frozen=True)
class Scored:
    """Draws (draw, coordinate) and their scores (draw, 1 + intensity), summed over all patients."""

    values: Floats = field(repr=False)
    totals: Floats = field(repr=False)


@dataclass(frozen=True)
class Estimation:
    """What has been computed of all patients so far.

    Attributes
    ----------
    agreement
        What was known before.
    approximations
        Posteriors under the expansions so far.
    scores
        Of draws so far.

    Examples
    --------
    See `shards.fit_in_shards`.
    """

    agreement: Agreement
    approximations: tuple[Approximation, ...] = ()
    scores: tuple[Scored, ...] = ()

    def empty(self, place: Place) -> Expansion:
        """Expansion of nobody's likelihood there."""
        of, spread = self.agreement, place.spread
        n_cells = max(len(e) for e in of.learnt.edges) - 1
        if spread is None:
            sizes = [len(own) for own in of.coordinates.members]
            spread = tuple(np.zeros((n, n)) for n in sizes)
        else:
            n_cells *= len(of.learnt.encoding.subgroups)
        return Expansion.zero(of.coordinates, place.point, spread, n_cells)

    def expanded(
        self, expansion: Expansion, number: int, kept: tuple[Path, str] | None = None
    ) -> Estimation:
        """Go on with an expansion, of round `number`."""
        one = Approximation(self.agreement, expansion, number, kept)
        return replace(self, approximations=(*self.approximations, one))

    def scored(self, values: Floats, totals: Floats) -> Estimation:
        """Go on with scores."""
        return replace(self, scores=(*self.scores, Scored(values, totals)))

    @property
    def last(self) -> Approximation:
        """The posterior under the last expansion."""
        return self.approximations[-1]

    @cached_property
    def certificate(self) -> Certificate:
        """Weights of the draws that were scored last.

        Raises
        ------
        FederationError
            The draws at hand are not those that were scored.
        """
        last, scored = self.last, self.scores[-1]
        if not np.array_equal(last.values.astype(np.float32), scored.values.astype(np.float32)):
            raise FederationError(
                "The draws at hand are not those that were scored: they were made anew by another "
                "machine or version. Bring the server's folder of draws from where they were made."
            )
        return Certificate.of(last.factor, last.blocks, scored.values, scored.totals)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What was computed of all patients, in order."""
        n, m = len(self.approximations), len(self.scores)
        last = [k for i in range(m) for k in (SCORE, EXPANSION)][: m + max(n - NEWTON - 1, 0)]
        return (*[EXPANSION] * min(n, NEWTON + 1), *last)

    def following(self) -> Place | Draws | None:
        """Find out what is computed of all patients next; None at the end."""
        n, coordinates = len(self.approximations), self.agreement.coordinates
        if n == 0:
            return Place(self.agreement.counts.start(coordinates), None)
        if n < NEWTON:
            return Place(self.last.crude.mode, None)
        if n == NEWTON:
            return self._near(self.last.pilot)
        if len(self.scores) < n - NEWTON:
            return Draws(self.last.values)
        if self.certificate.is_good or len(self.scores) == SCORINGS:
            return None
        weighted = self._weighted[POSTERIOR].to_dataset()
        return self._near(coordinates.values(weighted))

    def _near(self, values: Floats) -> Place:
        """Where draws (draw, coordinate) are."""
        members = self.agreement.coordinates.members
        spread = [np.cov(values[:, own].T).reshape(len(own), len(own)) for own in members]
        return Place(values.mean(axis=0), tuple(spread))

    @cached_property
    def _weighted(self) -> xr.DataTree:
        return _reweighted(self.last.sampled[0], self.last.blocks, self.certificate)

    def posterior(self, rounds: Sequence[Mapping[str, Any]]) -> FederatedPosterior:
        """Put weighted draws together with what speaks for and against them."""
        _, verdict, runs = self.last.sampled
        judged = self.agreement.judge(self._weighted, **OF_WEIGHTED)
        return federated(
            self.agreement.study,
            self.agreement.learnt,
            self._weighted,
            (judged, verdict.reasons, self.certificate),
            runs,
            rounds,
        )


def completed(
    estimation: Estimation,
    expand: Callable[[Place], Floats],
    score: Callable[[Floats], Floats],
) -> Estimation:
    """Go on to the end where all patients are at hand.

    Parameters
    ----------
    estimation
        Where to begin.
    expand
        Expands the likelihood of all patients: numbers of `Expansion.packed`.
    score
        Scores draws (draw, coordinate), as `LocalLikelihood.totals` does, of all patients together.
    """
    while (step := estimation.following()) is not None:
        if isinstance(step, Place):
            expansion = estimation.empty(step).unpacked(expand(step))
            estimation = estimation.expanded(expansion, len(estimation.kinds))
        else:
            estimation = estimation.scored(step.values, score(step.values))
    return estimation


def _reweighted(tree: xr.DataTree, blocks: Blocks, certificate: Certificate) -> xr.DataTree:
    """Draws of a tree, each part of them as often as its weight says."""
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    out = dict(groups)
    whole = len(certificate.index) == 1
    for name, group in groups.items():
        if "posterior" not in name:
            continue
        variables = {}
        for key, variable in group.data_vars.items():
            value = variable.transpose("chain", "draw", ...).to_numpy()
            flat = value.reshape(-1, *value.shape[2:])
            if whole:
                taken = flat[certificate.index[0]]
            else:
                part = np.broadcast_to(blocks.of_variable[str(key)], flat.shape[1:])
                taken = flat.copy()
                for k in np.unique(part[part >= 0]):
                    mine = part == k
                    taken[:, mine] = flat[:, mine][certificate.index[k]]
            variables[key] = (("chain", "draw", *variable.dims[2:]), taken.reshape(value.shape))
        out[name] = xr.Dataset(variables, group.coords, group.attrs)
    weighted = xr.DataTree.from_dict(out)
    weighted.attrs = dict(tree.attrs)
    return weighted
