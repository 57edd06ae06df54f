"""How each kind of evidence is read, and the facts that it holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.checks.result import (
    BORROWING,
    CALIBRATION,
    FAIRNESS,
    OPERATING,
    OUT_OF_SAMPLE,
    SCORES,
    SENSITIVITY,
)
from twinbayes.documents import read_json
from twinbayes.dossier.facts.fact import Told
from twinbayes.errors import StorageError
from twinbayes.hash_chain import HashChain
from twinbayes.inference import Fit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.monitoring import MonitorLog
from twinbayes.paths import require_ordinary
from twinbayes.report import read_checks, read_effects
from twinbayes.report.html.page import FIT_META, require_self_contained
from twinbayes.report.reviewer.handed.asked_effects import require_effect_of
from twinbayes.showing import cut

type Answers = Mapping[str, Told]
"""Name of a fact → labels and values; a fact of which the file says nothing is absent."""

_LONGEST: Final = 300
_TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    "performance": (SCORES, OUT_OF_SAMPLE, CALIBRATION),
    "out_of_sample": (OUT_OF_SAMPLE,),
    "fairness": (FAIRNESS,),
    "calibration": (CALIBRATION,),
    "sensitivity": (SENSITIVITY,),
    "borrowing": (BORROWING,),
    "operating": (OPERATING,),
}
_HASHED: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")


@dataclass(frozen=True)
class Kind:
    """One kind of evidence.

    Attributes
    ----------
    what
        In words.
    read
        From the file, and the fit that it has to be of, to its answers.
    copied
        Whether the dossier holds a copy: only of files of forms that hold nothing of patients.
    """

    what: str
    read: Callable[[Path, Fit], Answers]
    copied: bool = False


def _checks(path: Path, fit: Fit) -> Answers:
    given = [c for c in read_checks(path) if c.verdict != "not_provided"]
    told = {name: _of(given, topics) for name, topics in _TOPICS.items()}
    told["measures"] = {c.name: c.label for c in given if c.topic in _TOPICS["performance"]}
    return {name: lines for name, lines in told.items() if lines}


def _of(given: Iterable[CheckResult], topics: tuple[str, ...]) -> Told:
    return {c.name: cut(f"{c.label}. {c.text}", _LONGEST) for c in given if c.topic in topics}


def _effects(path: Path, fit: Fit) -> Answers:
    effects = read_effects(path)
    for effect in effects:
        require_effect_of(fit, effect)
    parts: Mapping[str, Callable[[xr.Dataset], str]] = {
        "estimand": lambda e: str(e.attrs["estimand"]),
        "treatment": lambda e: f"{e.attrs['scenario_a']}, against {e.attrs['scenario_b']}",
        "population": lambda e: str(e.attrs["population"]),
        "variable": lambda e: f"at {', '.join(f'{t:.0f}' for t in e['time'].to_numpy())} days",
        "summary": lambda e: str(e.attrs["summary"]).replace("_", " "),
    }
    if not effects:
        return {}
    return {
        name: {f"effect {k + 1}": cut(part(e), _LONGEST) for k, e in enumerate(effects)}
        for name, part in parts.items()
    }


def _calibration(path: Path, fit: Fit) -> Answers:
    found = _mapping(path)
    parts = found.get("configurations")
    if not isinstance(parts, Mapping) or not parts:
        raise _none_of(path, "evidence of simulation-based calibration", "configurations")
    told = {}
    for name, one in parts.items():
        if not isinstance(one, Mapping) or not {"date", "sets", "verdict", "model"} <= set(one):
            raise _none_of(path, "evidence of simulation-based calibration", f"{name}.date")
        same = "this model" if one["model"] == fit.spec.content_hash else "another model"
        told[str(name)] = (
            f"{str(one['verdict'])[:20]}, {str(one['sets'])[:20]} data sets, "
            f"{str(one['date'])[:10]}, of {same}"
        )
    return {"configurations": told}


def _trace(path: Path, fit: Fit) -> Answers:
    found = _mapping(path)
    requirements, hazards = found.get("requirements"), found.get("hazards")
    if not isinstance(requirements, list) or not isinstance(hazards, list):
        raise _none_of(path, "a trace matrix", "requirements")
    try:
        tests = [t for r in requirements for t in r["tests"]]
        rooms = Counter(str(r["room"]) for r in requirements)
        told: dict[str, Told] = {
            "requirements": {
                "requirements": str(len(requirements)),
                "without a test": str(sum(not r["tests"] for r in requirements)),
            },
            "rooms": {f"requirements of {name}": str(n) for name, n in sorted(rooms.items())},
            "tests": {"tests that show requirements": str(len({t["test"] for t in tests}))},
            "hazards": {
                "hazards": str(len(hazards)),
                "without a control or a test": str(
                    sum(not (h["control"] and h["requirements"]) for h in hazards)
                ),
            },
        }
        results = Counter(str(t["result"]) for t in tests if t.get("result"))
        if results:
            told["results"] = {
                **{f"tests, {name}": str(n) for name, n in sorted(results.items())},
                "of the run": str(found.get("run", "")),
            }
        for h in hazards:
            told[str(h["id"])] = {
                "control": str(h["control"]), "shown by": ", ".join(map(str, h["requirements"])),
            }  # fmt: skip
    except (KeyError, TypeError) as error:
        raise _none_of(path, "a trace matrix", "requirements[].tests") from error
    return told


def _lock(path: Path, fit: Fit) -> Answers:
    text = _text(path)
    pinned = [m for line in text.splitlines() if (m := _HASHED.match(line))]
    if not pinned:
        raise StorageError(f"{path.name}: pins no package. Give a lock with NAME==VERSION lines.")
    return {
        "packages": {
            "packages pinned": str(len({m[1] for m in pinned})),
            "hashes": str(text.count("--hash=")),
        }
    }


def _sbom(path: Path, fit: Fit) -> Answers:
    found = _mapping(path)
    parts = found.get("components", found.get("packages"))
    if not isinstance(parts, list):
        raise _none_of(path, "a bill of materials (CycloneDX or SPDX)", "components")
    form = str(found.get("bomFormat") or found.get("spdxVersion") or "of no stated form")
    return {"components": {"form": form[:40], "components": str(len(parts))}}


def _crate(path: Path, fit: Fit) -> Answers:
    found = _mapping(path)
    parts = found.get("@graph")
    if not isinstance(parts, list):
        raise _none_of(path, "the metadata of an RO-Crate", "@graph")
    return {"contents": {"entities": str(len(parts))}}


def _releases(path: Path, fit: Fit) -> Answers:
    records = HashChain(path).records()
    if not records:
        return {}
    last, own = records[-1], manifest_hash(fit.manifest)
    about = sum(own in json.dumps(r) for r in records)
    states = ("state", "status", "to", "kind")
    state = next((str(last[key])[:40] for key in states if key in last), "")
    return {
        "releases": {
            "records": str(len(records)),
            "records of this fit": str(about),
            "last record": str(last["created"]),
            **({"last state": state} if state else {}),
            "head": str(last["hash"]),
        }
    }


def _monitor(path: Path, fit: Fit) -> Answers:
    log = MonitorLog(path)
    records = log.records()
    looks = [r for r in records if r["kind"] == "look"]
    if not looks:
        return {}
    return {
        "looks": {
            "looks": str(len(looks)),
            "last look": str(looks[-1]["created"]),
            "open alarms": str(len(log.open_alarms())),
            "head": str(records[-1]["hash"]),
        }
    }


def _review(path: Path, fit: Fit) -> Answers:
    page = _text(path)
    require_self_contained(page)
    mark = re.search(rf'<meta name="{FIT_META}" content="([0-9a-f]+)">', page)
    if mark is None or mark[1] != manifest_hash(fit.manifest):
        raise StorageError(
            f"{path.name}: is no review of this fit. Give what `twinbayes review` made of it."
        )
    status = Counter(re.findall(r'<section [^>]*data-status="([a-z-]+)"', page))
    return {"sections": {f"sections {name}": str(n) for name, n in sorted(status.items())}}


def _file(path: Path, fit: Fit) -> Answers:
    return {"file": {"file": path.name, "bytes": str(require_ordinary(path).stat().st_size)}}


KINDS: Final[Mapping[str, Kind]] = {
    "calibration": Kind("simulation-based calibration of the software", _calibration, copied=True),
    "checks": Kind("checks, as `twinbayes.report.write_checks` wrote them", _checks),
    "crate": Kind("metadata of an RO-Crate", _crate, copied=True),
    "data_protection": Kind("data protection impact assessment, any file", _file),
    "declaration": Kind("declaration of conformity, any file", _file),
    "effects": Kind("treatment effects, as `twinbayes effect` wrote them", _effects),
    "instructions": Kind("instructions for use, any file", _file),
    "lock": Kind("lock of packages", _lock, copied=True),
    "monitor": Kind("log of `twinbayes monitor`", _monitor),
    "plan": Kind("plan of development and risk management, any file", _file),
    "protocol": Kind("protocol of the study, any file", _file),
    "releases": Kind("log of releases", _releases),
    "review": Kind("page of `twinbayes review`", _review),
    "sbom": Kind("software bill of materials", _sbom, copied=True),
    "trace": Kind("trace matrix of requirements, tests and hazards", _trace, copied=True),
}
"""Kinds of evidence, by the name under which they are given."""


def _mapping(path: Path) -> Mapping[str, Any]:
    found = read_json(path, StorageError)
    if not isinstance(found, Mapping):
        raise StorageError(f"{path.name}: expected an object at the top. Give another file.")
    return found


def _text(path: Path) -> str:
    try:
        return require_ordinary(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise StorageError(f"{path.name}: the file is not UTF-8. Give a text file.") from error


def _none_of(path: Path, what: str, lacks: str) -> StorageError:
    return StorageError(f"{path.name}: is not {what}: it lacks {lacks!r}. Give another file.")
