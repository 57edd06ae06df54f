"""What an exchange asks of those who put and answer questions; it knows nothing of the contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from twinbayes.federation.message import Message


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
