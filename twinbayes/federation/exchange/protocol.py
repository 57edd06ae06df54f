"""What an exchange asks of those who put and answer questions; it knows nothing of the contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from twinbayes.errors import FederationError
from twinbayes.federation.message import Message, canonical


class Agreement(Protocol):
    """A study: who takes part, and the hash of all that is agreed on."""

    @property
    def digest(self) -> str:
        """SHA-256 of what is agreed on, in hexadecimal digits."""
        ...

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""
        ...

    def to_dict(self) -> Mapping[str, Any]:
        """The study as plain data."""
        ...


@dataclass(frozen=True)
class RecordedStudy:
    """A study as the folder of a party has it: nothing of its model is read.

    Attributes
    ----------
    content
        Plain data, as `Agreement.to_dict` writes them.

    Raises
    ------
    FederationError
        The data do not name sites.
    """

    content: Mapping[str, Any] = field(repr=False)

    def __post_init__(self) -> None:
        sites = self.content.get("sites") if isinstance(self.content, Mapping) else None
        if not isinstance(sites, list) or not all(isinstance(site, str) for site in sites):
            raise FederationError(
                "The study of this folder does not name its sites: another version of twinbayes "
                "has written it. Use the version with which the study was begun."
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the data, in hexadecimal digits."""
        return sha256(canonical(dict(self.content))).hexdigest()

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""
        return tuple(self.content["sites"])

    def to_dict(self) -> Mapping[str, Any]:
        """The study as plain data."""
        return self.content


def require_read_as(recorded: str, study: Agreement) -> None:
    """Refuse a study that is read as another one than was recorded.

    Raises
    ------
    FederationError
        It is.
    """
    if study.digest != recorded:
        raise FederationError(
            f"The folder is of the study {recorded[:12]}, and its description is read as "
            f"{study.digest[:12]}. Use the version of twinbayes with which the study was begun."
        )


class Progress(Protocol):
    """Where a study is after some questions and answers."""

    @property
    def questions(self) -> Sequence[Message]:
        """Questions that are not answered, the same bytes whenever they are asked."""
        ...

    @property
    def posterior(self) -> Any:
        """The result of a study that is finished; None before."""
        ...

    @property
    def text(self) -> str:
        """One line for people."""
        ...


Answering = Callable[[Message], Message]
"""A question to its answer, from the data of one site; pure."""

Stepping = Callable[[Sequence[Message], Path], Progress]
"""All questions and answers so far, and a folder for intermediate files, to the next step; pure."""
