"""The provenance of a fit, as plain JSON: what was run, on what, with which versions."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from twinbayes.hash_chain import canonical
from twinbayes.inference.gate.verdict import Verdict

MANIFEST_VERSION: Final = 1
PACKAGES: Final = (
    "twinbayes", "arviz", "h5netcdf", "h5py", "jax", "numba", "numpy", "numpyro", "nutpie",
    "pandas", "pymc", "pytensor", "scipy", "xarray",
)  # fmt: skip
"""Packages whose versions can change draws or files; absent ones are left out."""


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages among `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def build_manifest(
    *,
    run: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]] = (),
    cohort_fingerprint: str,
    spec_hash: str,
    prior_ids: Iterable[str],
    prior_hash: str,
    verdict: Verdict | None = None,
    created: datetime | None = None,
) -> dict[str, Any]:
    """Describe a fit so that it can be traced and repeated; names no host, user or path.

    Parameters
    ----------
    run
        The root attributes of a sampled tree (`sample(...).attrs`): sampler, options, seed,
        lengths, timings.
    runs
        What was tried, in order: lengths, options, seconds and reasons of each. A last run that was
        left for want of time is not the one that was kept; `run` tells that.
    cohort_fingerprint, spec_hash, prior_hash
        SHA-256 of the data, the model specification and the resolved priors.
    prior_ids
        Identity of each prior entry in force, such as `aml/v1:baseline_level@1.0.0`.
    verdict
        The gate's verdict, summarised into the manifest.
    created
        The moment of sampling; now, by default.

    Returns
    -------
    dict
        Plain JSON values. Undefined diagnostics become null.

    Examples
    --------
    >>> manifest = build_manifest(
    ...     run=fit.datatree.attrs,
    ...     cohort_fingerprint=fit.cohort.fingerprint,
    ...     spec_hash=fit.spec.content_hash,
    ...     prior_ids=fit.priors.ids,
    ...     prior_hash=fit.priors.content_hash,
    ... )
    >>> manifest["sampler"]["name"]
    'nutpie'
    """
    options = run["options"]
    moment = datetime.now(UTC) if created is None else created.astimezone(UTC)
    manifest: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "created": moment.isoformat(timespec="seconds"),
        "cohort_fingerprint": cohort_fingerprint,
        "spec_hash": spec_hash,
        "prior_hash": prior_hash,
        "prior_ids": list(prior_ids),
        "sampler": {
            "name": str(run["sampler"]),
            "version": str(run["sampler_version"]),
            "options": json.loads(options) if isinstance(options, str) else dict(options),
            **{key: int(run[key]) for key in ("draws", "tune", "chains", "seed", "cores")},
        },
        "runs": [dict(tried) for tried in runs],
        "timing": {key: float(run[key]) for key in ("compile_seconds", "sample_seconds")},
        "versions": package_versions(),
        "platform": {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "system": platform.system(),
            "machine": platform.machine(),
        },
    }
    if verdict is not None:
        manifest["verdict"] = {
            "usable": verdict.usable,
            "reasons": list(verdict.reasons),
            "summary": {
                key: value if math.isfinite(value) else None
                for key, value in verdict.summary.items()
            },
        }
    return manifest


def manifest_hash(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest: what pages, audit logs and signatures call a fit by.

    Examples
    --------
    >>> manifest_hash({"created": "2026-01-01"})[:8]
    'bb7e5d89'
    """
    return hashlib.sha256(canonical(manifest).encode()).hexdigest()
