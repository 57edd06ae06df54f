"""A simulation study as a YAML file: read strictly, run, and written as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twinbayes.diseases import disease
from twinbayes.documents import read_yaml
from twinbayes.errors import OptionError, TwinbayesError, require_known
from twinbayes.inference.files.manifest import package_versions
from twinbayes.inference.samplers.short_run import Sampling
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.paths import path_of
from twinbayes.priors import PriorSet, load_priors
from twinbayes.private_files import require_writable, write_private
from twinbayes.trials.simulated.design import TrialDesign, Truth
from twinbayes.trials.simulated.operating import OperatingCharacteristics, operating_characteristics
from twinbayes.trials.simulated.trials import AnalysisDecision, Spec

_DESIGN: Final = ("outcome", "sizes", "truth", "patient_sd", "patient_time")
KEYS: Final = (
    "name", *_DESIGN, "analyses", "unit", "priors", "decision", "sampling", "level", "trials",
    "seed",
)  # fmt: skip
"""Every key that a study may have."""
_REQUIRED: Final = ("name", "sizes", "truth", "analyses", "trials", "seed")


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A study that was read: everything `operating_characteristics` takes, and its name.

    `named_priors` is what the study calls its priors: a set of the library, or a file.
    """

    name: str
    design: TrialDesign
    analyses: Mapping[str, Spec]
    trials: int
    seed: int
    decision: AnalysisDecision | None
    sampling: Sampling
    priors: PriorSet | None
    level: float
    named_priors: str | None = None

    def run(self, *, workers: int = 1, scheduler: str | None = None) -> OperatingCharacteristics:
        """Simulate, fit and count; see `operating_characteristics`."""
        return operating_characteristics(
            self.design, self.analyses, self.trials, seed=self.seed, decision=self.decision,
            sampling=self.sampling, priors=self.priors, level=self.level, workers=workers,
            scheduler=scheduler,
        )  # fmt: skip


def read_study(path: str | os.PathLike[str]) -> StudyFile:
    """Read a study.

    Parameters
    ----------
    path
        A YAML file. ``name``; ``sizes``, a list of patients or labels with patients; ``truth``
        (keys of `Truth`); ``outcome``, ``patient_sd``, ``patient_time`` (see `TrialDesign`);
        ``analyses``, a list of pooling strategies, or names with ``pooling`` and its options;
        ``unit`` of the models; ``priors``, a name of the library or a YAML file;
        ``decision`` (keys of `AnalysisDecision`); ``sampling`` (keys of `Sampling`); ``level``;
        ``trials``; ``seed``.

    Raises
    ------
    OptionError
        The file is missing or no YAML, a key is unknown, repeated or missing, or a value makes
        no sense: the message names the place and lists what is known.
    """
    file = path_of(path, OptionError, "read_study")
    if not os.path.isfile(file):
        raise OptionError(f"There is no study {file.name!r} at the path given.")
    found = read_yaml(file, OptionError)
    _require_keys(found, KEYS, _REQUIRED, file.name)
    try:
        design = _design(found)
        unit = found.get("unit", 1.0)
        decision, priors = found.get("decision"), found.get("priors")
        return StudyFile(
            name=str(found["name"]),
            design=design,
            analyses=_analyses(found["analyses"], design.outcome, unit),
            trials=found["trials"],
            seed=found["seed"],
            decision=None if decision is None else _build(AnalysisDecision, decision, "decision"),
            sampling=_build(Sampling, found.get("sampling", {}), "sampling"),
            priors=None if priors is None else load_priors(priors),
            level=found.get("level", 0.9),
            named_priors=priors,
        )
    except TwinbayesError as error:
        raise OptionError(f"{file.name}: {error}") from error


def write_results(
    found: OperatingCharacteristics, path: str | os.PathLike[str], *, name: str
) -> Path:
    """Write what a study found as JSON, with the date and the versions of packages.

    Raises
    ------
    StorageError
        The place cannot be written to.
    """
    out = require_writable(path)
    told = {
        "name": name,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": package_versions(),
        **found.to_dict(),
    }
    return write_private(out, json.dumps(told, indent=1, allow_nan=False), "\n")


def _design(found: Mapping[str, Any]) -> TrialDesign:
    sizes = found["sizes"]
    given: dict[str, Any] = {key: found[key] for key in _DESIGN if key in found}
    given["truth"] = _build(Truth, found["truth"], "truth")
    if isinstance(sizes, Mapping):
        given |= {"sizes": list(sizes.values()), "labels": [str(label) for label in sizes]}
    elif not isinstance(sizes, list):
        raise OptionError("sizes must be a list of patients, or labels with patients.")
    built: TrialDesign = _build(TrialDesign, given, "study")
    return built


def _analyses(found: Any, outcome: str, unit: float) -> dict[str, Spec]:
    if isinstance(found, list):
        found = {str(name): {"pooling": name} for name in found}
    if not isinstance(found, Mapping) or not found:
        raise OptionError(
            "analyses must list pooling strategies, or name models with their pooling. Known: "
            f"{', '.join(POOLINGS)}."
        )
    specs: dict[str, Spec] = {}
    for name, given in found.items():
        where = f"analyses: {name}"
        if not isinstance(given, Mapping) or "pooling" not in given:
            raise OptionError(f"{where}: needs a pooling. Known: {', '.join(POOLINGS)}.")
        kind = require_known(str(given["pooling"]), POOLINGS, f"{where}: pooling")
        options = {key: value for key, value in given.items() if key != "pooling"}
        pooling = _build(POOLINGS[kind], options, where, fixed=("kind", "reaches_new_subgroups"))
        specs[str(name)] = disease("basket", outcome=outcome, pooling=pooling, unit=unit)
    return specs


def _build(kind: type[Any], found: Any, where: str, *, fixed: Sequence[str] = ()) -> Any:
    """Make a description from the keys of a file."""
    if not isinstance(found, Mapping):
        raise OptionError(f"{where}: expected keys and values.")
    known = [f for f in fields(kind) if f.name not in fixed]
    required = [f.name for f in known if f.default is MISSING and f.default_factory is MISSING]
    _require_keys(found, [f.name for f in known], required, where)
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        if isinstance(error, TwinbayesError):
            raise OptionError(f"{where}: {error}") from error
        raise OptionError(f"{where}: a value is of the wrong kind: {error}") from error


def _require_keys(
    found: Mapping[str, Any], known: Sequence[str], required: Sequence[str], where: str
) -> None:
    for key in found:
        require_known(str(key), known, f"{where}: key")
    missing = [key for key in required if key not in found]
    if missing:
        raise OptionError(f"{where}: missing {', '.join(missing)}.")
