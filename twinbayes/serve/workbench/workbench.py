"""What a reviewer works with: a review, a file of signatures, another fit; each may be missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from twinbayes.inference import Fit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.serve.workbench.comparing import FitComparison, compare_fits
from twinbayes.serve.workbench.review_page import ReviewPage, read_review
from twinbayes.serve.workbench.signatures import SignatureLog
from twinbayes.serve.workbench.standing import Line, Standing, standings
from twinbayes.showing import brief


@brief
@dataclass(frozen=True, eq=False)
class Workbench:
    """The review of a fit, what people have signed of it, and another fit beside it.

    Attributes
    ----------
    fit
        The fit.
    review
        Its review, of `read_review`.
    signatures
        Where sign-offs and comments are written; None: nobody can sign.
    other
        Another fit, to be compared with.

    Examples
    --------
    >>> bench = Workbench(fit, other=fit)
    >>> bench.comparison.same_data, bench.records()
    (True, [])
    """

    fit: Fit
    review: ReviewPage | None = None
    signatures: SignatureLog | None = None
    other: Fit | None = None
    _lock: Any = field(default_factory=Lock, repr=False)

    def records(self) -> list[dict[str, Any]]:
        """Every line of the file of signatures, verified.

        Raises
        ------
        StorageError
            It is not whole.
        """
        return [] if self.signatures is None else self.signatures.records()

    def standings(self) -> tuple[tuple[Standing, ...], tuple[Line, ...]]:
        """Where each section stands; see `twinbayes.serve.workbench.standing.standings`."""
        return ((), ()) if self.review is None else standings(self.review, self.records())

    @property
    def other_hash(self) -> str:
        """Hash of the other fit; "" where there is none."""
        return "" if self.other is None else manifest_hash(self.other.manifest)

    @property
    def comparison(self) -> FitComparison | None:
        """Both fits side by side; computed when it is first asked for."""
        with self._lock:
            return self._comparison

    @cached_property
    def _comparison(self) -> FitComparison | None:
        return None if self.other is None else compare_fits(self.fit, self.other)


def workbench_of(
    fit: Fit, review: Path | None, signatures: Path | None, other: Fit | None
) -> Workbench | None:
    """The workbench of files; None where none is given.

    Raises
    ------
    StorageError
        The review is not of this fit, or the file of signatures is not whole.
    """
    if review is None and other is None:
        return None
    read = None if review is None else read_review(review, manifest_hash(fit.manifest))
    log = None if signatures is None else SignatureLog.at(signatures)
    return Workbench(fit, read, log, other)
