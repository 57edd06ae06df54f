"""Pages as PDF, through a browser of this machine that shows nothing and asks nobody."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from twinbayes.errors import OptionError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_LONGEST: Final = 120.0  # seconds of one page
_OPTIONS: Final = (
    "--headless", "--disable-gpu", "--disable-extensions", "--disable-background-networking",
    "--disable-sync", "--no-first-run", "--no-pdf-header-footer",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def require_browser() -> str:
    """The browser that prints, looked for on the PATH.

    Raises
    ------
    OptionError
        There is none.
    """
    for name in BROWSERS:
        if (found := shutil.which(name)) is not None:
            return found
    raise OptionError(
        f"PDF is printed by one of {', '.join(BROWSERS)}, and none is on the PATH. Install "
        "Chromium, or write HTML (--format html): each file prints as one A4 page from any browser."
    )


def pdf_of(html: str, browser: str) -> bytes:
    """Print a page.

    Parameters
    ----------
    html
        A page that needs nothing beside itself.
    browser
        See `require_browser`.

    Raises
    ------
    OptionError
        The browser made none.
    """
    with tempfile.TemporaryDirectory(prefix="twinbayes-") as place:
        folder = Path(place)  # for its owner alone
        page, pdf = folder / "sheet.html", folder / "sheet.pdf"
        page.write_text(html, encoding="utf-8")
        # Chromium's sandbox cannot be had by root.
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
        command = [browser, *_OPTIONS, *sandbox, f"--user-data-dir={folder / 'profile'}",
                   f"--print-to-pdf={pdf}", page.as_uri()]  # fmt: skip
        try:
            subprocess.run(command, capture_output=True, check=False, timeout=_LONGEST)  # noqa: S603 - no text of others
            found = pdf.read_bytes()
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OptionError(
                f"{Path(browser).name} made no PDF ({type(error).__name__}). Try it by itself, or "
                "write HTML (--format html), and print that."
            ) from error
    return found


def count_pages(pdf: bytes) -> int:
    """How many pages a PDF of the browser has.

    Examples
    --------
    >>> count_pages(b"<</Type /Pages /Count 1>> <</Type /Page /Parent 2 0 R>>")
    1
    """
    return len(re.findall(rb"/Type\s*/Page(?![A-Za-z])", pdf))
