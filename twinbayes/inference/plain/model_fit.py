"""Fits of ordinary PyMC models: the gate, storage and provenance, without cohort or priors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pymc as pm
import xarray as xr

from twinbayes.inference.drawn import Drawn
from twinbayes.inference.files.archive import with_text
from twinbayes.inference.files.manifest import build_manifest
from twinbayes.inference.files.provenance import require_part, with_content, with_whole_run
from twinbayes.inference.files.sealed import write_tree
from twinbayes.inference.gate.verdict import Verdict, judge
from twinbayes.inference.plain.requirements import disconnected_is_refused, require_plain_model
from twinbayes.inference.samplers.protocol import Compiled, compile_model, require_continuous
from twinbayes.inference.thinning import draws_words
from twinbayes.inference.until import effort_of, sample_until
from twinbayes.names import POSTERIOR
from twinbayes.priors.entry import hash_of
from twinbayes.showing import LONGEST, cut, facts, judged

MODEL: Final = "pymc_model"
"""What the description of such a fit holds: the model in PyMC's words."""


@dataclass(frozen=True)
class ModelFit(Drawn):
    """The posterior of an ordinary PyMC model.

    Attributes
    ----------
    text
        The model, as PyMC writes it.
    datatree
        Groups ``posterior`` and ``sample_stats``, dims (chain, draw, ...).
    verdict
        The gate's judgement of every sampled and deterministic quantity.
    manifest
        Provenance: hashes of model and data, seeds, versions, timings, runs.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     effect = pm.Normal("effect")
    >>> tb.fit(model, seed=1).verdict.banner()
    'USABLE'
    """

    text: str
    datatree: xr.DataTree = field(repr=False)
    verdict: Verdict
    manifest: Mapping[str, Any] = field(repr=False)

    def __repr__(self) -> str:
        """Verdict and draws in a few lines."""
        return (
            f"Fit of a PyMC model: {self.verdict.headline()}\n  draws: {draws_words(self.datatree)}"
        )

    def _repr_html_(self) -> str:
        names = ", ".join(map(str, self.datatree[POSTERIOR].data_vars))
        told = {"variables": cut(names, LONGEST), "draws": draws_words(self.datatree)}
        head = judged(self.verdict.usable, self.verdict.banner())
        return head + facts("Fit of a PyMC model", told)

    def save(self, path: str | os.PathLike[str], *, key: bytes | None = None) -> Path:
        """Write one self-contained file of draws, the model's words and the manifest.

        The observed data are not in it; `key` is that of `Fit.save`.
        """
        tree = with_text(self.datatree, {MODEL: self.text})
        return write_tree(path, tree, with_content(self.manifest, tree), key=key)

    def describe(self) -> str:
        """The model and the verdict, as text."""
        return f"{self.text}\n\nVerdict: {self.verdict.banner()}"


@dataclass(frozen=True)
class CompiledPymc:
    """An ordinary PyMC model made ready for a sampler."""

    model: pm.Model
    compiled: Compiled

    def sample(self, **effort: Any) -> ModelFit:
        """Draw from the posterior; `effort` is how long, as of `fit`: see `until.Effort`."""
        with disconnected_is_refused(self.model):
            tree, verdict, runs = sample_until(self.compiled, judge, effort_of(effort))
        text = str(self.model.str_repr())
        manifest = build_manifest(
            run={str(key): value for key, value in tree.attrs.items()},
            runs=runs,
            cohort_fingerprint=_data_hash(self.model),
            spec_hash=_hash(text),
            prior_ids=(),
            prior_hash=hash_of({}),
            verdict=verdict,
        )
        return ModelFit(text, tree, verdict, manifest)


def compile_pymc(model: pm.Model, *, sampler: str, **options: Any) -> CompiledPymc:
    """Make an ordinary PyMC model ready for sampling.

    Raises
    ------
    ModelError
        Names, dims or labels that no sampler or no file can take, variables that nothing depends
        on, or ones that are discrete.
    OptionError, FitError
        As `compile_model`.
    """
    require_continuous(model)
    require_plain_model(model)
    with disconnected_is_refused(model):
        return CompiledPymc(model, compile_model(model, sampler=sampler, **options))


def unpack_model(text: str, draws: xr.DataTree, manifest: Mapping[str, Any]) -> ModelFit:
    """Rebuild a fit from its stored words and draws.

    Raises
    ------
    StorageError
        The words are not those of the model that the manifest names.
    """
    require_part(manifest, "model", spec_hash=_hash(text))
    return ModelFit(text, draws, with_whole_run(judge(draws), manifest), manifest)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _data_hash(model: pm.Model) -> str:
    """SHA-256 of the values of all observed variables and of all `pm.Data`, by name."""
    digest = hashlib.sha256()
    observed = {
        str(rv.name): np.asarray(model.rvs_to_values[rv].eval(mode="FAST_COMPILE"))
        for rv in model.observed_RVs
    }
    shared = {str(data.name): np.asarray(data.get_value()) for data in model.data_vars}
    for name, values in sorted({**observed, **shared}.items()):
        digest.update(f"{name} {values.shape} {values.dtype}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
