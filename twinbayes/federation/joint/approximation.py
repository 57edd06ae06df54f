"""The posterior in which a function stands for the likelihood of all patients, and its draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pymc as pm
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import StorageError
from twinbayes.federation.joint.blocks import Blocks
from twinbayes.federation.joint.compensator import Factor
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.joint.quadratic import Quadratic
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.study import Study
from twinbayes.inference.densities.prior_draws import draw_priors
from twinbayes.inference.files.sealed import read_tree, write_tree
from twinbayes.inference.gate.verdict import Verdict, judge
from twinbayes.inference.samplers.protocol import compile_model
from twinbayes.inference.thinning import evenly_spaced
from twinbayes.inference.until import Effort, sample_until
from twinbayes.model import Learnt
from twinbayes.model.assemble import assemble_population
from twinbayes.model.events.crude import CrudeEstimates
from twinbayes.names import DRAW, POSTERIOR

_CHAINS: Final = 4
_PILOT: Final = {"draws": 500, "tune": 500, "chains": 2, "until": None}
_PRIOR: Final = 1000  # draws
_RUN: Final = "run"

type Stand = Factor | Quadratic


@dataclass(frozen=True)
class Agreement:
    """What is known before the first expansion.

    Attributes
    ----------
    study
        What is estimated, and under which priors.
    learnt, counts
        Columns, windows and scales; events and days at risk of all patients.
    """

    study: Study
    learnt: Learnt
    counts: Counts

    @cached_property
    def _model(self) -> pm.Model:
        return assemble_population(self.study.spec, self.learnt, self.study.prior_set, self.counts)

    @cached_property
    def coordinates(self) -> Coordinates:
        """Of the likelihood."""
        return Coordinates.of(self.study.spec, self.learnt, self._model)

    @cached_property
    def prior(self) -> Floats:
        """(draw, coordinate) draws from the priors alone."""
        return self.coordinates.values(draw_priors(self._model, _PRIOR, self.study.seed))

    def judge(self, tree: xr.DataTree, **bars: float) -> Verdict:
        """Judge draws of the posterior; `bars` as of `judge`."""
        return judge(tree, constants=self.study.spec.constants(self.learnt), **bars)


@dataclass(frozen=True)
class Approximation:
    """The posterior under a function that stands for the likelihood.

    Attributes
    ----------
    agreement
        What was known before.
    stand
        The function.
    crude
        Crude estimates of what acts on hazards, by which the model is sampled.
    number
        Added to the seed of the study.
    kept
        Where draws are kept, and under which ending of their names; None where they are not.
    until
        When there are draws enough; see `Effort`.
    """

    agreement: Agreement
    stand: Stand = field(repr=False)
    crude: CrudeEstimates = field(repr=False)
    number: int
    kept: tuple[Path, str] | None = None
    until: str | None = "usable"

    @cached_property
    def _compiled(self) -> Any:
        of = self.agreement
        model = assemble_population(of.study.spec, of.learnt, of.study.prior_set, self.crude)
        with model:
            pm.Potential("sites", self.stand.tensor(of.coordinates.tensor(model)))
        return compile_model(model)

    @cached_property
    def blocks(self) -> Blocks:
        """Its independent parts; one, where nothing is known of the likelihood of parts."""
        if not isinstance(self.stand, Factor):
            return Blocks.whole(None, len(self.agreement.coordinates.intensities))
        return Blocks.of(getattr(self._compiled, "tapes", None), self.agreement.coordinates)

    @cached_property
    def sampled(self) -> tuple[xr.DataTree, Verdict, list[dict[str, Any]]]:
        """Draws, what the gate says of them, and the runs that it took.

        As many as the study asks for, evenly spaced, however many it took to be usable.
        """
        draws = self.agreement.study.draws // _CHAINS
        length = {"draws": draws, "chains": _CHAINS, "until": self.until}
        what = "draws" if self.until is None else "longer"
        tree, verdict, runs = self._drawn(length, what)
        return _thinned(tree, draws), verdict, runs

    @cached_property
    def values(self) -> Floats:
        """(draw, coordinate) of all draws."""
        return self._values(self.sampled[0])

    @cached_property
    def pilot(self) -> Floats:
        """(draw, coordinate) of a few draws."""
        return self._values(self._drawn(_PILOT, "pilot")[0])

    def _values(self, tree: xr.DataTree) -> Floats:
        return self.agreement.coordinates.values(tree[POSTERIOR].to_dataset())

    def _drawn(
        self, length: Mapping[str, Any], what: str
    ) -> tuple[xr.DataTree, Verdict, list[dict[str, Any]]]:
        """Sample; read what is kept where that was done before."""
        path = None
        if self.kept is not None:
            path = self.kept[0] / f"{what}-{self.kept[1]}.nc"
            try:
                tree, manifest = read_tree(path)
                return tree, self.agreement.judge(tree), list(manifest[_RUN])
            except StorageError:
                pass
        seed = self.agreement.study.seed + self.number
        effort = Effort(seed=seed, progressbar=False, **length)
        tree, verdict, runs = sample_until(self._compiled, self.agreement.judge, effort)
        if path is not None:
            write_tree(path, tree, {_RUN: runs})
        return tree, verdict, runs


def _thinned(tree: xr.DataTree, kept: int) -> xr.DataTree:
    """At most so many draws of each chain, evenly spaced."""
    size = tree[POSTERIOR].sizes[DRAW]
    if size <= kept:
        return tree
    index = evenly_spaced(size, kept)
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    few = {n: g.isel({DRAW: index}) if DRAW in g.dims else g for n, g in groups.items()}
    out = xr.DataTree.from_dict(few)
    out.attrs = dict(tree.attrs)
    return out
