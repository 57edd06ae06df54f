"""Facts of how a fit was computed, and of what the gate measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twinbayes.cohort.quality.suppression import size_words
from twinbayes.dossier.facts.fact import Fact, Subject, Told
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.report.figures.look import look_of
from twinbayes.report.required.gate import judged_words


def _verdict(subject: Subject) -> Told:
    fit = subject.fit
    verdict, say = fit.verdict, look_of(fit).way
    reasons = "; ".join(map(say, verdict.reasons[:6]))
    more = len(verdict.reasons) - 6
    return {
        "verdict": "USABLE" if verdict.usable else "NOT FOR USE",
        "measured": judged_words(verdict),
        **({"reasons": reasons + (f"; and {more} more" if more > 0 else "")} if reasons else {}),
    }


def _summary(subject: Subject) -> Told:
    fit = subject.fit
    return {
        "model": fit.spec.title,
        "data": fit.cohort.name,
        "patients": size_words(fit.cohort.n_patients),
        "verdict": "USABLE" if fit.verdict.usable else "NOT FOR USE",
    }


def _sampling(subject: Subject) -> Told:
    fit = subject.fit
    told: Mapping[str, Any] = fit.manifest["sampler"]
    names = ("name", "version", "draws", "tune", "chains", "seed")
    return {name: str(told[name]) for name in names if name in told}


def _provenance(subject: Subject) -> Told:
    fit = subject.fit
    m = fit.manifest
    kept = ("created", "cohort_fingerprint", "spec_hash", "prior_hash")
    return {
        "fit hash": manifest_hash(m),
        **{name.replace("_", " "): str(m[name]) for name in kept if name in m},
    }


def _versions(subject: Subject) -> Told:
    fit = subject.fit
    versions: Mapping[str, Any] = fit.manifest.get("versions", {})
    licence = {"licence of twinbayes": "Apache-2.0"}
    return {**{k: str(v) for k, v in sorted(versions.items())}, **licence}


def _platform(subject: Subject) -> Told:
    fit = subject.fit
    return {k: str(v) for k, v in sorted(fit.manifest.get("platform", {}).items())}


def _data_use(subject: Subject) -> Told:
    fit = subject.fit
    seen = int((fit.weights > 0).sum())
    return {
        "patients whose records the draws have seen": size_words(seen),
        "draws": f"{fit.manifest['sampler']['chains']} chains of "
        f"{fit.manifest['sampler']['draws']}",
    }


def _predicting(subject: Subject) -> Told:
    fit = subject.fit
    return {
        "formulae": "; ".join(
            line.strip() for line in fit.spec.describe().splitlines() if "log h_e" in line
        ),
        "draws": str(
            int(fit.datatree["posterior"].sizes["chain"] * fit.datatree["posterior"].sizes["draw"])
        ),
    }


COMPUTATION: Final[Mapping[str, Fact]] = {
    "verdict": Fact("verdict", _verdict),
    "summary": Fact("spec, cohort, verdict", _summary),
    "sampling": Fact("manifest['sampler']", _sampling),
    "provenance": Fact("manifest", _provenance),
    "versions": Fact("manifest['versions']", _versions),
    "platform": Fact("manifest['platform']", _platform),
    "data_use": Fact("cohort, manifest['sampler']", _data_use),
    "predicting": Fact("datatree['posterior']", _predicting),
}
"""Facts of the computation, by name."""
