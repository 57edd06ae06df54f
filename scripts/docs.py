"""Build the documentation site into `out/docs`, without network, and check every link of it.

Sources are copied to `out/docs_source` first: what Sphinx generates, and the notebooks made of the
tutorials, never lie among tracked files. Results of executed pages are kept in a folder named after
the package's content, so that they are computed again when the package changes, and only then.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ("twinbayes", "diseases", "priors", "data_schemas", "queries", "requirements.lock")
PROJECT = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
BESIDE = ("CITATION.cff", "LICENSE")


def fingerprint(root: Path) -> str:
    """Hash what the results of executed pages depend on beside their own code."""
    digest = hashlib.sha256()
    for name in PACKAGE:
        place = root / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def of_the_top(text: str) -> str:
    """Rewrite links of a page of the top folder for its place in the folder `project`."""
    return re.sub(r"(\]\()docs/", r"\1../", text)


def to_the_top(text: str, page: Path, pages: Path) -> str:
    """Rewrite links of a page of `docs` to tutorials and to pages of the top folder."""
    up = "../" * len(page.relative_to(pages).parent.parts)
    names = "|".join(re.escape(name) for name in PROJECT)
    text = re.sub(rf"(\]\(){re.escape(up)}\.\./({names})", rf"\1{up}project/\2", text)
    return re.sub(rf"(\]\(){re.escape(up)}\.\./notebooks/(\S+)\.py\)", rf"\1{up}\2.ipynb)", text)


def stage(root: Path, place: Path) -> Path:
    """Copy all sources to a folder, tutorials as notebooks; return the folder of the pages."""
    shutil.rmtree(place, ignore_errors=True)
    pages = place / "docs"
    shutil.copytree(root / "docs", pages)
    shutil.copytree(root / "data_schemas", place / "data_schemas")
    for page in pages.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(to_the_top(text, page, pages), encoding="utf-8")
    (pages / "project").mkdir()
    for name in PROJECT:
        text = (root / name).read_text(encoding="utf-8")
        (pages / "project" / name).write_text(of_the_top(text), encoding="utf-8")
    for name in BESIDE:
        shutil.copy(root / name, pages / "project" / name)
    for source in sorted((root / "notebooks" / "tutorials").glob("*.py")):
        book = jupytext.read(source, fmt="py:percent")
        jupytext.write(book, pages / "tutorials" / f"{source.stem}.ipynb")
    return pages


def not_for_use(site: Path) -> Iterator[str]:
    """Yield a sentence for each tutorial that does not end with a usable fit."""
    for page in sorted((site / "tutorials").glob("*.html")):
        _, _, text = page.read_text(encoding="utf-8").partition("<article")
        text, _, _ = text.partition("</article")  # beside it are names of other pages
        if page.stem != "index" and ("USABLE" not in text or "NOT FOR USE" in text):
            yield f"tutorials/{page.name}: a fit of it is NOT FOR USE, or there is none"


def build(root: Path, out: Path) -> int:
    """Run Sphinx on the staged sources; warnings are errors."""
    pages = stage(root, out / "docs_source")
    shutil.rmtree(out / "docs", ignore_errors=True)
    results = out / "docs_results" / fingerprint(root)
    for old in (out / "docs_results").glob("*"):
        if old != results:
            shutil.rmtree(old)
    command = [
        *(sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b", "html"),
        *("-d", str(out / "docs_doctrees"), "-D", f"nb_execution_cache_path={results}"),
        *(str(pages), str(out / "docs")),
    ]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, cwd=out, env=environment, check=False).returncode


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Build and check; return 1 if there is a warning or a fault, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=root / "out", help="folder of the site")
    out = parser.parse_args(arguments).out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    built = build(root, out)
    unusable = list(not_for_use(out / "docs"))
    for line in unusable:
        print(line)
    check = [sys.executable, str(root / "scripts" / "check_site.py"), str(out / "docs")]
    checked = subprocess.run(check, check=False).returncode
    return 1 if built or unusable or checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
