"""What all engines share: the loop of the server, and a site's bytes for the server's bytes.

Engines carry messages and do not read them. What is asked, and what may be answered, is decided
by the server's steps and by the site alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.federation.message import Message
from twinbayes.federation.server import Step, next_step
from twinbayes.federation.site import Disclosure, answer
from twinbayes.federation.study import Study

Carry = Callable[[Sequence[Message]], Iterable[Message]]
"""Brings questions to their sites, and yields the answers in the order of the questions."""


def exchange(
    study: Study,
    carry: Carry,
    store: Path,
    history: Iterable[Message] = (),
    *,
    keep: Callable[[Message], object],
) -> Step:
    """Ask and carry until there is a fit; return the last step, which has it.

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
        Is given every further message as soon as it counts: a question, then its answer. With
        those of `history` before them they are the history of the exchange, also where it breaks.

    Raises
    ------
    FederationError
        The server has nothing more to ask and no fit; or what carriers and steps raise.
    """
    messages = list(history)
    while (step := next_step(study, messages, store)).fit is None:
        if not step.questions:
            raise FederationError(f"The federation has stopped without a fit: {step.text}")
        for pair in zip(step.questions, carry(step.questions), strict=True):
            for message in pair:
                messages.append(message)
                keep(message)
    return step


def reply(question: bytes, cohort: Callable[[], Cohort], *, disclosure: Disclosure) -> bytes:
    """Answer a question at a site: bytes of a message in, bytes of a message out.

    Engines send what goes wrong to the server, or write it into logs that others read. So what is
    raised tells of the question, or names the kind of error and nothing of what it says.

    Parameters
    ----------
    question
        As it came.
    cohort
        Reads the site's patients.
    disclosure
        What the site may let out.

    Raises
    ------
    FederationError
        The question is refused, or something failed at the site.
    """
    try:
        return answer(Message.from_bytes(question), cohort(), disclosure=disclosure).to_bytes()
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
