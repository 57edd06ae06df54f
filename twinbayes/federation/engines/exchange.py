"""What all engines share: the loop of the server, and a site's bytes for the server's bytes.

Engines carry messages and do not read them. What is asked, and what may be answered, is decided
by the server's steps and by the site alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.federation.masks import FEWEST, SECRET_BYTES
from twinbayes.federation.message import Message
from twinbayes.federation.posterior import FederatedPosterior
from twinbayes.federation.server import next_step
from twinbayes.federation.site import Disclosure, answer
from twinbayes.federation.study import MINIMUM, Study

Carry = Callable[[Sequence[Message]], Iterable[Message]]
"""Brings questions to their sites, and yields the answers in the order of the questions."""


def exchange(
    study: Study,
    carry: Carry,
    store: Path,
    history: Iterable[Message] = (),
    *,
    keep: Callable[[Message], object],
) -> FederatedPosterior:
    """Ask and carry until there is a posterior.

    Parameters
    ----------
    study
        What all parties have agreed on.
    carry
        The engine.
    store
        Folder of the server, for what steps keep.
    history
        Messages of an exchange that was broken off: it goes on where they end.
    keep
        Is given every further message as soon as it counts: all questions of a round, then each
        answer. With those of `history` before them they are the history of the exchange, also
        where it breaks: its answers so far are not asked for again.

    Raises
    ------
    FederationError
        The server has nothing more to ask and no posterior; or what carriers and steps raise.
    """
    messages = list(history)

    def add(message: Message) -> None:
        messages.append(message)
        keep(message)

    while (step := next_step(study, messages, store)).posterior is None:
        waiting = [asked for asked in step.questions if asked.receiver in step.missing]
        if not waiting:
            raise FederationError(f"The federation has stopped without a posterior: {step.text}")
        known = {message.digest for message in messages}
        for asked in waiting:
            if asked.digest not in known:
                add(asked)
        for _, answered in zip(waiting, carry(waiting), strict=True):
            add(answered)
    return step.posterior


@dataclass(frozen=True)
class Terms:
    """On what terms a site answers, as its operator has written them down.

    Parameters
    ----------
    secret
        Of the site, at least 32 random bytes. Each study has another secret made of it, so that
        one is enough for all.
    minimum, fewest_sites
        As of `Disclosure`.

    Raises
    ------
    FederationError
        The secret is too short.

    Examples
    --------
    >>> Terms.from_dict({"secret": "0f" * 32, "minimum": 10}).minimum
    10
    """

    secret: bytes = field(repr=False)
    minimum: int = MINIMUM
    fewest_sites: int = FEWEST

    def __post_init__(self) -> None:
        if len(self.secret) < SECRET_BYTES:
            raise FederationError(
                f"A site's secret has at least {SECRET_BYTES} random bytes. Make one by "
                '`python -c "import secrets; print(secrets.token_hex(32))"`.'
            )

    @classmethod
    def from_dict(cls, data: Any) -> Terms:
        """Read what an operator wrote: ``secret`` in hexadecimal digits, and whole numbers.

        Raises
        ------
        FederationError
            Something is missing, unknown, or none of these. Nothing of the secret is shown.
        """
        known = [part.name for part in fields(cls)]
        numbers = {k: v for k, v in data.items() if k != "secret"} if isinstance(data, dict) else {}
        if (
            not isinstance(data, dict)
            or not set(data) <= set(known)
            or not isinstance(data.get("secret"), str)
            or not all(type(n) is int and n >= 0 for n in numbers.values())
        ):
            raise FederationError(
                "A site's terms are an object with a secret in hexadecimal digits and, if they "
                f"are to be others, whole numbers; known are {', '.join(known)}."
            )
        try:
            secret = bytes.fromhex(data["secret"])
        except ValueError:
            raise FederationError("A site's secret is written in hexadecimal digits.") from None
        return cls(secret=secret, **numbers)

    def disclosure(self, study: str) -> Disclosure:
        """What may leave in the study of a digest."""
        secret = hmac.digest(self.secret, study.encode("utf-8"), "sha256")
        return Disclosure(secret, self.minimum, self.fewest_sites)


def reply(question: bytes, cohort: Callable[[], Cohort], terms: Terms) -> bytes:
    """Answer a question at a site: bytes of a message in, bytes of a message out.

    Engines send what goes wrong to the server, or write it into logs that others read. So what is
    raised tells of the question, or names the kind of error and nothing of what it says.

    Parameters
    ----------
    question
        As it came.
    cohort
        Reads the site's patients.
    terms
        Of the site.

    Raises
    ------
    FederationError
        The question is refused, or something failed at the site.
    """
    try:
        asked = Message.from_bytes(question)
        return answer(asked, cohort(), disclosure=terms.disclosure(asked.study)).to_bytes()
    except FederationError:
        raise
    except Exception as error:
        raise FederationError(
            f"The site has no answer ({type(error).__name__}; what it says stays at the site). "
            "Run `twinbayes check` there on its cohort folder."
        ) from None


def to_lines(history: Iterable[Message]) -> bytes:
    """Messages as one file: a line each, in their order."""
    return b"".join(message.to_bytes() + b"\n" for message in history)


def from_lines(data: bytes) -> tuple[Message, ...]:
    """Read what `to_lines` wrote.

    Raises
    ------
    FederationError
        A line is no message.
    """
    return tuple(Message.from_bytes(line) for line in data.splitlines())
