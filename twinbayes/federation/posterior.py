"""The posterior of all sites together: draws without patients, to which each site adds its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError, StorageError
from twinbayes.federation.joint.certificate import Certificate
from twinbayes.federation.study import Study, learnt_from_dict
from twinbayes.inference.files.archive import described_learnt, read_text, with_text
from twinbayes.inference.files.constants import constants
from twinbayes.inference.files.manifest import build_manifest
from twinbayes.inference.files.provenance import (
    bars_of,
    require_content,
    with_content,
    with_whole_run,
)
from twinbayes.inference.files.sealed import malformed_is_refused, read_tree, write_tree
from twinbayes.inference.fit import Fit
from twinbayes.inference.gate.verdict import Verdict, judge
from twinbayes.model import Learnt
from twinbayes.names import CONSTANT_DATA, FEDERATION, POSTERIOR
from twinbayes.showing import cut, facts, judged


@dataclass(frozen=True)
class FederatedPosterior:
    """Draws of the posterior of all sites' patients together.

    Attributes
    ----------
    study
        What was estimated, under which priors, from whom.
    learnt
        Columns, windows and scales that were agreed on.
    datatree
        Groups ``posterior`` and ``sample_stats``, as of a `Fit`; no patient.
    verdict
        The gate's judgement together with that of the certificate.
    manifest
        Provenance; its ``federation`` has sites, rounds, digests of all messages, how many numbers
        each site released, the certificate, and as ``held_back`` the effects of which no site
        tells, since too few patients of all sites have them: what is drawn of them is the prior's.

    Examples
    --------
    >>> from twinbayes.federation import fit_in_shards
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> cohort = tb.datasets.simulated_registry()
    >>> posterior = fit_in_shards(spec, cohort, shards=3)  # doctest: +SKIP
    >>> posterior.at_site(cohort).spec.name  # doctest: +SKIP
    'survival'
    """

    study: Study
    learnt: Learnt = field(repr=False)
    datatree: xr.DataTree = field(repr=False)
    verdict: Verdict
    manifest: Mapping[str, Any] = field(repr=False)

    def __repr__(self) -> str:
        """Verdict, model and sites in a few lines."""
        return (
            f"Federated posterior of {self.study.spec.name!r}: {self.verdict.headline()}\n"
            f"  sites: {cut(', '.join(self.study.sites), 60)}\n"
            f"  certificate: {cut(str(self.manifest[FEDERATION]['certificate']), 40)}"
        )

    def _repr_html_(self) -> str:
        told = {
            "sites": ", ".join(self.study.sites),
            "certificate": self.manifest[FEDERATION]["certificate"],
        }
        head = judged(self.verdict.usable, self.verdict.banner())
        return head + facts(f"Federated posterior of {self.study.spec.name}", told)

    def at_site(self, cohort: Cohort) -> Fit:
        """Return an ordinary fit at a site, with the site's own patients.

        Parameters
        ----------
        cohort
            The site's patients, as they were when it answered: twins count their records as seen.

        Raises
        ------
        ModelError
            The cohort does not fit the model.
        """
        study = self.study
        plan = study.spec.plan(cohort, self.learnt)
        tree = self.datatree.copy(deep=False)
        weight = study.spec.discounts(plan)
        tree[CONSTANT_DATA] = xr.DataTree(constants(plan.events, cohort, weight))
        manifest = {**self.manifest, "cohort_fingerprint": cohort.fingerprint}
        return Fit(study.spec, cohort, study.prior_set, tree, self.verdict, manifest, self.learnt)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one file of draws, study and manifest; it holds no patient.

        Parameters
        ----------
        path
            The file; an earlier one of that name is replaced.
        """
        described = {
            FEDERATION: {"study": self.study.to_dict(), "learnt": described_learnt(self.learnt)}
        }
        tree = with_text(self.datatree, described)
        return write_tree(path, tree, with_content(self.manifest, tree))


def load_federated(path: str | os.PathLike[str]) -> FederatedPosterior:
    """Read what `FederatedPosterior.save` wrote.

    Raises
    ------
    StorageError
        Missing, altered, or something else.

    Examples
    --------
    >>> from twinbayes.federation import fit_in_shards
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> whole = fit_in_shards(spec, tb.datasets.simulated_registry())  # doctest: +SKIP
    >>> load_federated(whole.save("posterior.nc")).verdict.usable  # doctest: +SKIP
    True
    """
    tree, stored = read_tree(path)
    with malformed_is_refused(Path(path).name):
        text, draws = read_text(tree)
        manifest = require_content(tree, stored)
        if FEDERATION not in text:
            raise StorageError(
                "The file holds no federated posterior. Give that which the last step of the "
                "coordinating centre wrote; a fit is read with load_fit."
            )
        try:
            study = Study.from_dict(text[FEDERATION]["study"])
            learnt = learnt_from_dict(text[FEDERATION]["learnt"])
        except FederationError as error:
            raise StorageError(str(error)) from error
        judged = judge(draws, constants=study.spec.constants(learnt), **bars_of(manifest))
        return FederatedPosterior(study, learnt, draws, with_whole_run(judged, manifest), manifest)


def federated(
    study: Study,
    learnt: Learnt,
    tree: xr.DataTree,
    judged: tuple[Verdict, Sequence[str], Certificate],
    runs: Sequence[Mapping[str, Any]],
    rounds: Sequence[Mapping[str, Any]],
) -> FederatedPosterior:
    """Put the draws of a study together with what speaks for and against them."""
    verdict, sampled, certificate = judged
    reasons = tuple(dict.fromkeys((*verdict.reasons, *sampled, *certificate.reasons)))
    verdict = replace(verdict, usable=not reasons, reasons=reasons)
    manifest = build_manifest(
        run={str(key): value for key, value in tree.attrs.items()},
        runs=runs,
        cohort_fingerprint=study.digest,
        spec_hash=study.spec.content_hash,
        prior_ids=study.prior_set.ids,
        prior_hash=study.prior_set.content_hash,
        verdict=verdict,
    )
    manifest[FEDERATION] = {
        "study": study.digest,
        "sites": list(study.sites),
        "minimum": study.minimum,
        "certificate": certificate.to_dict(),
        "rounds": [dict(r) for r in rounds],
    }
    posterior = tree[POSTERIOR].to_dataset()
    if not all(np.isfinite(v).all() for v in posterior.data_vars.values()):
        raise FederationError("The weighted draws are not finite.")
    return FederatedPosterior(study, learnt, tree, verdict, manifest)
