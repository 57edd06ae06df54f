"""The review of a fit, as `twinbayes review` wrote it: refused unless it is of this very fit."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twinbayes.errors import ReportError, StorageError
from twinbayes.paths import path_of, require_ordinary
from twinbayes.report.html.page import require_self_contained
from twinbayes.serve.workbench.markup import FoundSection, ReviewReader, placed

_MOST: Final = 200 * 2**20  # bytes of a review
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_FIRST: Final = "summary"  # what has no anchor: the verdict, and messages while computing
_LAST: Final = "messages"
NAMELESS: Final = frozenset({_FIRST, _LAST})
_REMEDY: Final = "Make the review anew: twinbayes review FIT --out REVIEW.html"


@dataclass(frozen=True)
class ReviewSection:
    """One section of a review.

    Attributes
    ----------
    name
        Its anchor.
    heading
        Its heading; "" of the first where it has none.
    content
        SHA-256 of its HTML, written in one way: what a signature is of.
    html
        As it is shown among other things.
    n_failed, n_warned, n_missing
        Checks that failed and that warn, and what is NOT PROVIDED.
    """

    name: str
    heading: str
    content: str
    html: str = field(repr=False)
    n_failed: int
    n_warned: int
    n_missing: int


@dataclass(frozen=True)
class ReviewPage:
    """A review.

    Attributes
    ----------
    fit
        Hash of the fit that it is of.
    title
        Of the page.
    whole
        The file.
    policy
        Content security policy under which the whole is shown: its own style sheets, pictures that
        it holds itself, and nothing else.
    sections
        In order.

    Examples
    --------
    >>> page = read_review("review.html", explorer.fit_hash)  # doctest: +SKIP
    >>> [section.name for section in page.sections][:2]  # doctest: +SKIP
    ['summary', 'data-and-exclusions']
    """

    fit: str
    title: str
    whole: str = field(repr=False)
    policy: str = field(repr=False)
    sections: tuple[ReviewSection, ...]

    def section(self, name: str) -> ReviewSection | None:
        """The section of a name; None where there is none."""
        return next((s for s in self.sections if s.name == name), None)


def read_review(path: str | os.PathLike[str], fit: str) -> ReviewPage:
    """Read a review, which must be of the fit.

    Parameters
    ----------
    path
        What `twinbayes review` wrote.
    fit
        Hash of the fit.

    Raises
    ------
    StorageError
        It cannot be read, is no review, is of another fit, or would run or load something.

    Examples
    --------
    >>> read_review("review.html", explorer.fit_hash).sections[-1].name  # doctest: +SKIP
    'provenance'
    """
    path = path_of(path, StorageError, "The review")
    text = _text_of(path)
    reader = ReviewReader()
    try:
        require_self_contained(text)
        reader.feed(text)
        reader.close()
        if any("\\" in style for style in reader.styles):  # words in disguise
            raise StorageError("its style sheet has a backslash")
    except (ReportError, StorageError) as error:
        raise StorageError(
            f"{path.name}: not a review as it was written ({str(error).rstrip('.')}). {_REMEDY}"
        ) from error
    if not reader.fit:
        raise StorageError(f"{path.name}: does not say which fit it is a review of. {_REMEDY}")
    if reader.fit != fit:
        raise StorageError(
            f"{path.name}: a review of another fit ({reader.fit[:12]}…) than the one that is "
            f"shown ({fit[:12]}…). Give the review of this fit, or serve the other. {_REMEDY}"
        )
    named = list(zip(_names(reader.sections), reader.sections, strict=True))
    names = [name for name, _ in named]
    wrong = [name for name in names if not _NAME.fullmatch(name) or names.count(name) > 1]
    if not names or wrong:
        told = "no section"
        if wrong:
            told = f"the anchor {wrong[0]!r} twice, or in letters that anchors do not have"
        raise StorageError(f"{path.name}: has {told}. {_REMEDY}")

    def place(name: str) -> str:
        return f"/review/sections/{name}" if name in names else ""

    return ReviewPage(
        fit,
        " ".join(reader.title.split()),
        text,
        _policy(reader.styles),
        tuple(_section(name, found, place) for name, found in named),
    )


def _text_of(path: Path) -> str:
    try:
        with require_ordinary(path).open("rb") as file:
            content = file.read(_MOST + 1)
        if len(content) > _MOST:
            raise StorageError(f"{path.name}: larger than any review ({_MOST // 2**20} MB).")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise StorageError(f"{path.name}: the review cannot be read ({why}). {_REMEDY}") from error


def _names(found: list[FoundSection]) -> list[str]:
    """Anchors; the first section and the last may have none."""
    names = [section.name for section in found]
    if names and not names[0]:
        names[0] = _FIRST
    if names and not names[-1]:
        names[-1] = _LAST
    return names


def _section(name: str, found: FoundSection, place: Callable[[str], str]) -> ReviewSection:
    return ReviewSection(
        name,
        " ".join(found.heading.split()),
        hashlib.sha256((_said(found) + found.canonical).encode()).hexdigest(),
        placed(found.canonical, place),
        found.n_failed,
        found.n_warned,
        found.n_missing,
    )


def _said(found: FoundSection) -> str:
    """What a section says of itself, so that a signature is of it too; "" of one that does not."""
    return "".join(f"{name}={value}\n" for name, value in sorted(found.given.items()))


def _policy(styles: list[str]) -> str:
    hashes = (hashlib.sha256(text.encode()).digest() for text in styles)
    allowed = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in hashes)
    return (
        f"default-src 'none'; style-src {allowed or chr(39) + 'none' + chr(39)}; img-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox allow-downloads"
    )
