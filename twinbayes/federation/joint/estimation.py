"""From expansions and scores to a posterior: what is computed of all patients next, and the end.

It does not matter who holds the patients: sites that answer a server, or shards of one cohort.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.federation.joint.approximation import Agreement, Approximation
from twinbayes.federation.joint.blocks import Blocks
from twinbayes.federation.joint.certificate import Certificate
from twinbayes.federation.joint.compensator import Expansion, Factor
from twinbayes.federation.joint.crude import CrudeFromSites
from twinbayes.federation.posterior import FederatedPosterior, federated
from twinbayes.inference.files.provenance import OF_WEIGHTED
from twinbayes.names import POSTERIOR

NEWTON: Final = 4
"""Expansions before the first sampling."""

SCORINGS: Final = 3
"""Times that draws are scored, at most; between two of them is one more expansion."""

EXPANSION: Final = "expansion"
SCORE: Final = "score"

type Kept = tuple[Path, str] | None


@dataclass(frozen=True)
class Place:
    """Where the likelihood of all patients is to be expanded.

    Attributes
    ----------
    point, spread
        As of `EventLikelihood.expansion`.
    """

    point: Floats = field(repr=False)
    spread: tuple[Floats, ...] | None = field(repr=False)


@dataclass(frozen=True)
class Draws:
    """Draws (draw, coordinate) that are to be scored; as of `EventLikelihood.totals`."""

    values: Floats = field(repr=False)


@dataclass(frozen=True)
class Scored:
    """Draws (draw, coordinate) and their scores (draw, 1 + intensity), summed over all patients."""

    values: Floats = field(repr=False)
    totals: Floats = field(repr=False)


@dataclass(frozen=True)
class Estimation(ABC):
    """What has been computed of all patients so far.

    Attributes
    ----------
    agreement
        What was known before.
    approximations
        Posteriors under what stood for the likelihood so far.
    scores
        Of draws so far.
    kinds
        What was computed of all patients, in order.

    Examples
    --------
    See `shards.fit_in_shards`.
    """

    agreement: Agreement
    approximations: tuple[Approximation, ...] = ()
    scores: tuple[Scored, ...] = ()
    kinds: tuple[str, ...] = ()

    @abstractmethod
    def following(self) -> Place | Draws | None:
        """Find out what is computed of all patients next; None at the end."""

    @abstractmethod
    def answered(
        self, step: Place | Draws, numbers: Floats, number: int, kept: Kept = None
    ) -> Estimation:
        """Go on with what all patients together say to a step, in round `number`.

        Numbers are those of an expansion, `packed`, or scores (draw, ...).
        """

    @property
    def last(self) -> Approximation:
        """The last posterior."""
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
        whole, each = last.stand.against(scored.values, scored.totals)
        return Certificate.of(whole, each, last.blocks)

    @property
    def is_done(self) -> bool:
        """Whether draws were scored, and another time would gain little or is one too many."""
        return self.certificate.is_good or len(self.scores) == SCORINGS

    def _until(self, finals: int) -> str | None:
        """How long the posterior that is scored after `finals` others is sampled.

        Once; it is sampled until it is usable if its weights turn out to be good, or if there is
        no other chance.
        """
        return "usable" if finals == SCORINGS - 1 else None

    def _with(self, scored: Scored) -> Self:
        """Go on with scores; sample longer what the gate alone speaks against."""
        found = replace(self, scores=(*self.scores, scored), kinds=(*self.kinds, SCORE))
        if found.last.until is None and found.certificate.is_good and found._gate:
            longer = replace(self.last, until="usable")
            found = replace(found, approximations=(*self.approximations, longer))
        return found

    @property
    def _gate(self) -> tuple[str, ...]:
        """What speaks against the draws that were scored last, whatever their weights."""
        judged = self.agreement.judge(self.weighted, **OF_WEIGHTED)
        return (*judged.reasons, *self.last.sampled[1].reasons)

    @cached_property
    def weighted(self) -> xr.DataTree:
        """The draws that were scored last, each as often as its weight says."""
        return _reweighted(self.last.sampled[0], self.last.blocks, self.certificate)

    @property
    def weighted_values(self) -> Floats:
        """(draw, coordinate) of `weighted`."""
        return self.agreement.coordinates.values(self.weighted[POSTERIOR].to_dataset())

    def posterior(self, rounds: Sequence[Mapping[str, Any]]) -> FederatedPosterior:
        """Put weighted draws together with what speaks for and against them."""
        _, verdict, runs = self.last.sampled
        judged = self.agreement.judge(self.weighted, **OF_WEIGHTED)
        return federated(
            self.agreement.study,
            self.agreement.learnt,
            self.weighted,
            (judged, verdict.reasons, self.certificate),
            runs,
            rounds,
        )


@dataclass(frozen=True)
class FromExpansions(Estimation):
    """Of models of events alone: sites expand their likelihoods, and score draws.

    Examples
    --------
    See `shards.fit_in_shards`.
    """

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

    def answered(
        self, step: Place | Draws, numbers: Floats, number: int, kept: Kept = None
    ) -> FromExpansions:
        """Go on with an expansion, or scores (draw, 1 + intensity)."""
        if isinstance(step, Draws):
            return self._with(Scored(step.values, numbers.reshape(len(step.values), -1)))
        of, expansion = self.agreement, self.empty(step).unpacked(numbers)
        factor = Factor(of.coordinates, expansion)
        crude = CrudeFromSites(of.counts, of.coordinates, of.learnt, expansion)
        until = self._until(len(self.approximations) - NEWTON)
        one = Approximation(of, factor, crude, number, kept, until)
        return replace(
            self,
            approximations=(*self.approximations, one),
            kinds=(*self.kinds, EXPANSION),
        )

    def following(self) -> Place | Draws | None:
        """Expand where Newton's method leads, then where draws are, and score draws."""
        n, coordinates = len(self.approximations), self.agreement.coordinates
        if n == 0:
            return Place(self.agreement.counts.start(coordinates), None)
        if n < NEWTON:
            crude = self.last.crude
            assert isinstance(crude, CrudeFromSites)  # noqa: S101 - made by `answered`
            return Place(crude.mode, None)
        if n == NEWTON:
            return self._near(self.last.pilot)
        if len(self.scores) < n - NEWTON:
            return Draws(self.last.values)
        return None if self.is_done else self._near(self.weighted_values)

    def _near(self, values: Floats) -> Place:
        """Where draws (draw, coordinate) are."""
        members = self.agreement.coordinates.members
        spread = [np.cov(values[:, own].T).reshape(len(own), len(own)) for own in members]
        return Place(values.mean(axis=0), tuple(spread))


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
        Scores draws (draw, coordinate), as `EventLikelihood.totals` does, of all patients together.
    """
    while (step := estimation.following()) is not None:
        numbers = expand(step) if isinstance(step, Place) else score(step.values).ravel()
        estimation = estimation.answered(step, numbers, len(estimation.kinds))
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
