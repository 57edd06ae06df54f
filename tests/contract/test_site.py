"""The site of the documentation: what is on its pages, and what its checker refuses."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import twinbayes

PAGE = '<html><head>{head}</head><body id="top">{body}</body></html>'


@pytest.fixture
def checker(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_site", root / "scripts" / "check_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def faults_of(checker: ModuleType, tmp_path: Path) -> Callable[..., list[str]]:
    def find(body: str = "", head: str = "", **others: str) -> list[str]:
        (tmp_path / "index.html").write_text(PAGE.format(head=head, body=body), encoding="utf-8")
        for name, text in others.items():
            (tmp_path / name.replace("_", ".")).write_text(text, encoding="utf-8")
        return list(checker.faults(tmp_path))

    return find


def public() -> Iterator[tuple[str, Any]]:
    """Every public name, with its object."""
    rooms = [f"twinbayes.{m.name}" for m in pkgutil.iter_modules(twinbayes.__path__) if m.ispkg]
    for module in map(import_module, ["twinbayes", *rooms]):
        for name in getattr(module, "__all__", ()):
            yield f"{module.__name__}.{name}", getattr(module, name)


def entries(root: Path) -> list[str]:
    """Return what the pages of the API name, as often as they do."""
    names = re.compile(r"^(?: {3}|```\{py:data\} )(twinbayes\.[\w.]+)$", re.MULTILINE)
    pages = sorted((root / "docs" / "api").glob("*.md"))
    return [name for page in pages for name in names.findall(page.read_text(encoding="utf-8"))]


def test_every_public_object_is_on_one_page_of_the_api(root: Path) -> None:
    def thing(name: str) -> Any:
        module, _, last = name.rpartition(".")
        return getattr(import_module(module), last)

    shown = entries(root)
    things = [thing(name) for name in shown]
    assert len({id(one) for one in things}) == len(things) > 200
    # A version and a package are no objects with a page; texts and mappings are shown by name.
    left = {"twinbayes.__version__", "twinbayes.datasets"}
    missing = [name for name, one in public() if not any(one is other for other in things)]
    assert set(missing) == left


def test_every_error_is_on_the_page_of_errors(root: Path) -> None:
    from twinbayes import errors

    family = {
        f"twinbayes.errors.{name}"
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.TwinbayesError)
    }
    assert family == {name for name in entries(root) if name.startswith("twinbayes.errors.")}


def test_every_page_is_in_a_list_of_pages(root: Path) -> None:
    docs = root / "docs"
    listed = {"index"}
    for index in docs.rglob("index.md"):
        where = index.parent.relative_to(docs)
        for block in re.findall(r"```\{toctree\}\n(.*?)```", index.read_text("utf-8"), re.DOTALL):
            entry = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed.update((where / one).as_posix() for one in entry)
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")}
    assert pages <= listed


def test_every_how_to_has_cells_and_all_of_them_are_executed(root: Path) -> None:
    pages = [p for p in (root / "docs" / "how-to").glob("*.md") if p.stem != "index"]
    assert len(pages) >= 8
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith("---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"), (
            page
        )
        cells = re.findall(r"^( *)```\{code-cell\}", text, re.MULTILINE)
        assert cells, page
        assert set(cells) == {""}, f"{page}: a cell within a list is not executed"


def test_a_sound_site_has_no_faults(faults_of: Callable[..., list[str]]) -> None:
    body = '<a href="#top">x</a><a href="other.html#here">y</a><a href="https://example.org">z</a>'
    head = '<link rel="stylesheet" href="look.css"><link rel="canonical" href="https://a.org/">'
    other = '<p id="here"><img src="data:image/png;base64,AA=="></p>'
    assert faults_of(body, head, other_html=other, look_css="p { color: red }") == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<a href="#gone">x</a>', "#gone: no such place on that page"),
        ('<img src="gone.png">', "gone.png leads nowhere"),
        ('<img src="https://example.org/a.png">', "loads https://example.org/a.png"),
        ('<script src="//example.org/a.js"></script>', "loads //example.org/a.js"),
        ("<style>p { background: url(https://example.org/a) }</style>", "loads https://example"),
    ],
)
def test_a_dead_link_and_what_is_loaded_from_elsewhere_are_told(
    faults_of: Callable[..., list[str]], body: str, told: str
) -> None:
    assert any(told in fault for fault in faults_of(body))


def test_a_font_from_elsewhere_is_told(faults_of: Callable[..., list[str]]) -> None:
    look = "@font-face { src: url('https://example.org/font.woff2') }"
    assert faults_of(look_css=look) == ["look.css: loads https://example.org/font.woff2"]


def test_every_entry_of_the_bibliography_says_where_it_is_found(root: Path) -> None:
    text = (root / "docs" / "bibliography.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@(\w+)\{(\w+),\n(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL)
    assert len(entries) == text.count("@") > 70
    assert len({key for _, key, _ in entries}) == len(entries)
    wanted = {
        "article": {"author", "year", "title", "journal", "volume", "pages"},
        "book": {"author", "year", "title", "publisher"},
        "misc": {"author", "year", "title"},
    }
    for kind, key, body in entries:
        fields = set(re.findall(r"^  (\w+) = \{.+\},?$", body, flags=re.MULTILINE))
        assert fields >= wanted[kind], key
