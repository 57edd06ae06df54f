"""Build the documentation site into `out/docs`, without network, and check every link of it.

Sources are copied to `out/docs_source` first: what Sphinx generates, and the notebooks made of the
tutorials, never lie among tracked files. Results of executed pages are kept in a folder named after
the package's content, so that they are computed again when the package changes, and only then.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ("twinbayes", "diseases", "priors", "data_schemas", "queries", "requirements.lock")
PROJECT = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "README.md")
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


def moved(text: str) -> str:
    """Rewrite links of a page of the top folder for its place in the folder `project`."""
    return re.sub(r"(\]\()docs/", r"\1../", text)


def stage(root: Path, place: Path) -> Path:
    """Copy all sources to a folder, tutorials as notebooks; return the folder of the pages."""
    shutil.rmtree(place, ignore_errors=True)
    pages = place / "docs"
    shutil.copytree(root / "docs", pages)
    shutil.copytree(root / "data_schemas", place / "data_schemas")
    (pages / "project").mkdir()
    for name in PROJECT:
        text = (root / name).read_text(encoding="utf-8")
        (pages / "project" / name).write_text(moved(text), encoding="utf-8")
    for name in BESIDE:
        shutil.copy(root / name, pages / "project" / name)
    (pages / "tutorials").mkdir(exist_ok=True)
    for source in sorted((root / "notebooks" / "tutorials").glob("*.py")):
        book = jupytext.read(source, fmt="py:percent")
        jupytext.write(book, pages / "tutorials" / f"{source.stem}.ipynb")
    return pages


def main(root: Path = ROOT, out: Path | None = None) -> int:
    """Stage, build and check; return the first code that is not 0."""
    out = root / os.environ.get("OUT", "out") if out is None else out
    pages = stage(root, out / "docs_source")
    shutil.rmtree(out / "docs", ignore_errors=True)
    build = [
        *(sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", *os.environ.get("X","").split(), "-E", "-b", "html"),
        *("-d", str(out / "docs_doctrees")),
        *("-D", f"nb_execution_cache_path={out / 'docs_results' / fingerprint(root)}"),
        *(str(pages), str(out / "docs")),
    ]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    built = subprocess.run(build, cwd=out, env=environment, check=False).returncode
    check = [sys.executable, str(root / "scripts" / "check_site.py"), str(out / "docs")]
    return built or subprocess.run(check, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
