"""FHIR R4: bundles, and files of bulk exports, flattened by views of SQL on FHIR into tables."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.checking import columns_read, tables_read
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.readers.clinical_json.fhirpath import PathError
from twinbayes.cohort.importing.readers.clinical_json.files import (
    JSON,
    NDJSON,
    called,
    json_files,
    lines_of,
    start_of,
    text_of,
)
from twinbayes.cohort.importing.readers.clinical_json.flattening import Flattening
from twinbayes.cohort.importing.readers.clinical_json.references import References, urn_key
from twinbayes.cohort.importing.readers.clinical_json.resource_types import RESOURCE_TYPES
from twinbayes.cohort.importing.readers.clinical_json.resources import (
    MEDICATION,
    NO_RESOURCE,
    Resources,
)
from twinbayes.cohort.importing.readers.clinical_json.strict_text import JsonError, entries, parse
from twinbayes.cohort.importing.readers.clinical_json.times import Clocks
from twinbayes.cohort.importing.readers.clinical_json.views import View, packaged_views, read_view
from twinbayes.cohort.importing.source import Reader, SourceTable, folded

_TYPE: Final = re.compile(r'"resourceType"\s*:\s*"([A-Za-z]{1,64})"')
_KINDS: Final = ("collection", "transaction", "batch", "searchset", "document")
_MOST_FAULTS: Final = 100  # of one file
_MODIFIER: Final = "modifierExtension"
_DELETE: Final = "DELETE"
_BUNDLE: Final = "Bundle"
_BUNDLE_LINE: Final = Problem(
    "resource-type", "a bundle in a line says what is deleted, and nothing else; others are JSON"
)
_NO_ENTRY: Final = Problem("bundle-entry", "the entry has no resource")


def _is_fhir(path: Path) -> bool:
    if path.suffix.lower() == NDJSON:
        return True
    return _TYPE.search(start_of(path)) is not None


def _recognises(path: Path) -> bool:
    return any(_is_fhir(one) for one in json_files(path, (NDJSON, JSON)))


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    views = () if isinstance(mapping, Unmapped) else mapping.views
    own = {Path(view).resolve() for view in views}
    files = [one for one in json_files(path, (NDJSON, JSON)) if one.resolve() not in own]
    references = References()
    flattenings = _flattenings(mapping, references, faults)
    if not files or flattenings is None:
        return []
    names = [called(one, k, RESOURCE_TYPES) for k, one in enumerate(files)]
    reading = _Reading(files, names, path if path.is_dir() else None, faults)
    resources = Resources(flattenings, references, reading.deleted())
    for k in reading.in_order():
        if files[k].suffix.lower() == JSON:
            reading.bundle(k, resources, references)
        else:
            reading.lines(k, resources)
    reading.require_last_page()
    bundles = any(one.suffix.lower() == JSON for one in files)
    lines = any(one.suffix.lower() != JSON for one in files)
    counted = "line or entry" if bundles and lines else "entry" if bundles else "line"
    return resources.tables(names, counted)


def _flattenings(
    mapping: MappingFile | Unmapped, references: References, faults: Faults
) -> list[Flattening] | None:
    """Views that the mapping reads, compiled; None if one cannot be, with the fault noted."""
    views: dict[str, tuple[View, str]] = {v.name: (v, f"{v.name}.json") for v in packaged_views()}
    whole = True
    for place in () if isinstance(mapping, Unmapped) else mapping.views:
        view = read_view(Path(place), faults)
        whole = whole and view is not None
        if view is not None:
            views[view.name] = (view, Path(place).name)
    wanted = None if isinstance(mapping, Unmapped) else tables_read(mapping)
    columns = None if isinstance(mapping, Unmapped) else columns_read(mapping)
    clocks, out = Clocks(), []
    for view, file in views.values():
        if wanted is not None and folded(view.name) not in wanted:
            continue
        try:
            out.append(Flattening(view, references, clocks, columns))
        except PathError:
            faults.add("view-malformed", file, "a path of it is no FHIRPath")
            whole = False
    return out if whole else None


class _Reading:
    """The files of a source, each read once or, where it is a bundle, twice."""

    def __init__(
        self, files: list[Path], names: list[str], folder: Path | None, faults: Faults
    ) -> None:
        self._files, self._names, self._folder = files, names, folder
        self._faults = faults
        self._found = [0] * len(files)
        self._searched = self._continued = 0

    def deleted(self) -> set[tuple[str, str]]:
        """Type and identifier of what bundles say is deleted."""
        found: list[Any] = []
        for k, path in enumerate(self._files):
            if path.suffix.lower() == JSON:
                text = text_of(path, self._names[k], Faults(), self._folder)
                if text is not None and _may_hold(_DELETE, text):
                    found += [entry for _, entry in self._entries(k, Faults())]
            elif _type_of(path) == _BUNDLE:
                for _, text in lines_of(path, self._names[k], Faults(), self._folder):
                    with contextlib.suppress(JsonError):  # told when the line is read
                        found += [e for key, e in entries(text, "entry") if key == "entry"]
        urls = (str(entry["request"].get("url")).split("/") for entry in found if _deletes(entry))
        return {(url[-2], url[-1]) for url in urls if len(url) > 1}

    def in_order(self) -> list[int]:
        """Positions of files, those of medications first: others refer to them."""
        return sorted(
            range(len(self._files)),
            key=lambda k: (_type_of(self._files[k]) != MEDICATION, k),
        )

    def lines(self, k: int, resources: Resources) -> None:
        """Read a file of one resource a line, all of one type."""
        kind: str | None = None
        for number, text in lines_of(self._files[k], self._names[k], self._faults, self._folder):
            if self._found[k] >= _MOST_FAULTS:
                return
            if kind not in (None, MEDICATION, _BUNDLE) and not resources.is_read(kind):
                # Of what no table is made the lines are counted, and the type is all that is read.
                told = _TYPE.match(text, 1)
                if told is not None and told[1] == kind:
                    resources.count(str(kind))
                    continue
            try:
                resource = parse(text)
            except JsonError as error:
                self._note(k, number, error.problem)
                continue
            own = resource.get("resourceType") if isinstance(resource, dict) else None
            kind = kind or (own if _is_type(own) else None)
            if kind is None or own != kind:
                self._note(k, number, NO_RESOURCE if kind is None else _other_type())
                continue
            if kind == _BUNDLE and not _only_deletes(resource):
                self._note(k, number, _BUNDLE_LINE)
                continue
            self._take(resource, _may_hold(_MODIFIER, text), k, number, resources)

    def bundle(self, k: int, resources: Resources, references: References) -> None:
        """Read a bundle: what its entries are called first, then the entries."""
        before = len(self._faults)
        head: dict[str, Any] = {}
        urls: dict[str, tuple[str, str]] = {}
        for n, entry in self._entries(k, self._faults, head):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(resource, dict) or not _is_type(resource.get("resourceType")):
                if not _deletes(entry):
                    self._note(k, n, _NO_ENTRY if resource is None else NO_RESOURCE)
                continue
            url, own = entry.get("fullUrl"), resource.get("id")
            key = own if isinstance(own, str) else urn_key(url)
            if isinstance(url, str) and key is not None:
                if url in urls:
                    self._note(k, n, Problem("resource-twice", "a fullUrl was there before"))
                urls[url] = (resource["resourceType"], key)
        self._check_head(k, head)
        if len(self._faults) > before:
            return
        references.of_bundle = urls
        for n, entry in self._entries(k, self._faults):
            resource = entry.get("resource")
            if resource is None:
                continue
            if "id" not in resource and (key := urn_key(entry.get("fullUrl"))) is not None:
                resource["id"] = key
            self._take(resource, True, k, n, resources)
        references.of_bundle = {}

    def require_last_page(self) -> None:
        """Note a search whose later pages were not given."""
        if self._continued and self._continued >= self._searched:
            problem = "every page of the search says that another follows"
            self._faults.add("bundle-page", self._names[-1], problem)

    def _take(
        self, resource: Mapping[str, Any], modified: bool, k: int, n: int, resources: Resources
    ) -> None:
        kind = resource["resourceType"]
        if kind == MEDICATION and isinstance(own := resource.get("id"), str):
            resources.medications[own] = resource.get("code")
        if not resources.is_read(kind):
            resources.count(kind)
            return
        problem = resources.take(resource, modified, k, n)
        if problem is not None:
            self._note(k, n, problem)

    def _entries(
        self, k: int, faults: Faults, head: dict[str, Any] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Numbered entries of a bundle; its other members are put into `head`."""
        text = text_of(self._files[k], self._names[k], faults, self._folder)
        n = 0
        try:
            for key, value in entries(text or "", "entry") if text is not None else ():
                if key == "entry":
                    n += 1
                    yield n, value
                elif head is not None:
                    head[key] = value
        except JsonError as error:
            problem = f"after entry {n}: {error.problem.text}"
            faults.add(error.problem.rule, self._names[k], problem, rows=[n + 1])

    def _check_head(self, k: int, head: Mapping[str, Any]) -> None:
        if not head:
            return
        name = self._names[k]
        if head.get("resourceType") != _BUNDLE:
            problem = "it is no Bundle; single resources stand in NDJSON files, one a line"
            self._faults.add("resource-type", name, problem)
        elif head.get("type") not in _KINDS:
            problem = f"the type of the bundle is none of {', '.join(_KINDS)}"
            self._faults.add("bundle-type", name, problem)
        elif "implicitRules" in head or _MODIFIER in head:
            problem = "the bundle has implicitRules or a modifierExtension"
            self._faults.add("modifier-extension", name, problem)
        links = head.get("link")
        self._searched += head.get("type") == "searchset"
        self._continued += isinstance(links, list) and any(
            isinstance(link, dict) and link.get("relation") == "next" for link in links
        )

    def _note(self, k: int, number: int, problem: Problem) -> None:
        self._found[k] += 1
        if self._found[k] <= _MOST_FAULTS:
            what = "entry" if self._files[k].suffix.lower() == JSON else "line"
            text = f"{what} {number}: {problem.text}"
            self._faults.add(problem.rule, self._names[k], text, rows=[number])


def _may_hold(word: str, text: str) -> bool:
    """Whether a word may be in JSON text, be it spelt by numbers of its characters."""
    return word in text or "\\u" in text


def _is_type(kind: object) -> bool:
    return isinstance(kind, str) and kind in RESOURCE_TYPES


def _deletes(entry: Any) -> bool:
    """Whether an entry of a bundle says that a resource was deleted."""
    request = entry.get("request") if isinstance(entry, dict) else None
    return isinstance(request, dict) and request.get("method") == "DELETE"


def _only_deletes(bundle: Mapping[str, Any]) -> bool:
    found = bundle.get("entry", [])
    return isinstance(found, list) and all(_deletes(entry) for entry in found)


def _other_type() -> Problem:
    return Problem("resource-type", "it is no resource of the type of the first line")


def _type_of(path: Path) -> str | None:
    found = _TYPE.search(start_of(path)) if path.suffix.lower() == NDJSON else None
    return None if found is None else found[1]


READERS: Final = {
    "fhir": Reader(
        what="FHIR R4: a bundle, a file of a bulk export (NDJSON), or a folder of them",
        recognises=_recognises,
        read=_read,
        whole=True,
        rank=3,
    )
}
