"""A site's folder: joined by an invitation, questions answered as drafts, released by people.

Nothing leaves a site by itself: `answer` writes drafts, which are not signed, and says what would
leave; `release` signs one in the name of a person and puts it into the outbox.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import FederationError
from twinbayes.federation.exchange.folder import CARD, PartyFolder, read_arrival
from twinbayes.federation.exchange.history import History
from twinbayes.federation.exchange.keys import Card, KeyPair
from twinbayes.federation.exchange.numbers import Source, leaving
from twinbayes.federation.exchange.protocol import Agreement, Answering
from twinbayes.federation.exchange.server import INVITATION, INVITATION_FORMAT, require_study
from twinbayes.federation.message import SERVER, Message, canonical, parsed
from twinbayes.private_files import write_private

DRAFT: Final = ".draft"


@dataclass(frozen=True)
class Draft:
    """An answer that nobody has released.

    Attributes
    ----------
    answer
        The answer.
    source
        The data that it was made from.
    """

    answer: Message
    source: Source

    @property
    def name(self) -> str:
        """What people call it by: the beginning of its digest."""
        return self.answer.digest[:12]

    def to_bytes(self) -> bytes:
        """The draft as a file."""
        message = self.answer.to_bytes().decode("utf-8")
        return canonical({
            "held": self.source.held, "data": self.source.fingerprint, "message": message,
        })  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Draft:
        """Read a draft.

        Raises
        ------
        FederationError
            It is none, or was altered.
        """
        content = parsed(read_arrival(path), path.name)
        try:
            answer = Message.from_bytes(content["message"].encode("utf-8"))
            draft = cls(answer, Source(int(content["held"]), str(content["data"])))
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise FederationError(
                f"{path.name}: is no draft, or was altered. Make it anew with `twinbayes "
                "federation answer`."
            ) from error
        return draft


@dataclass(frozen=True)
class Answered:
    """What answering did: drafts, what each would let go in words, and what was refused."""

    drafts: tuple[Draft, ...]
    summaries: tuple[tuple[str, ...], ...]
    refused: tuple[str, ...]


def join(
    path: str | os.PathLike[str],
    invitation: Path,
    site: str,
    server_key: str,
    study_of: Callable[[Any], Agreement],
    policy: Mapping[str, int] | None = None,
) -> Card:
    """Make the folder of a site, with its card for the server in the outbox.

    Parameters
    ----------
    path
        Where.
    invitation
        The file from the server's outbox.
    site
        Name of the site, as agreed on.
    server_key
        Fingerprint of the server's key, as somebody there has said it.
    study_of
        Plain data to the study.
    policy
        What the site has decided for the whole study, by name; stands in its ledger.

    Raises
    ------
    FederationError
        The invitation was changed, or is not of that server, or the site is none of the study's,
        or something is at the place.
    """
    content = parsed(read_arrival(invitation), invitation.name)
    if not isinstance(content, dict) or content.get("format") != INVITATION_FORMAT:
        raise FederationError(
            f"{invitation.name}: is no invitation. Give {INVITATION} from the server's outbox, and "
            "use the same version of twinbayes everywhere."
        )
    card = Card.from_dict(content.get("card"), invitation.name)
    wanted = "".join(c for c in server_key.lower() if c not in "- ")
    if card.fingerprint.replace("-", "") != wanted:
        raise FederationError(
            f"{invitation.name}: has the server's key {card.fingerprint}, not {server_key!r}. Have "
            "the key told once more; if it stays another one, the invitation is somebody else's."
        )
    study = study_of(content.get("study"))
    if card.party != SERVER or card.study != study.digest:
        raise FederationError(
            f"{invitation.name}: the server has signed the study {card.study[:12]}, and this "
            f"is {study.digest[:12]}: it was changed on its way, or written by another version of "
            "twinbayes. Have it sent again."
        )
    if site not in study.sites:
        raise FederationError(
            f"{site[:40]!r} is no site of this study: {', '.join(study.sites)}. Give the name that "
            "was agreed on."
        )
    keys = KeyPair.new()
    own = keys.card(study.digest, site)
    PartyFolder.create(
        path, site, study.digest, canonical(content["study"]), keys, others=[card],
        policy=policy, files={f"outbox/{site}{CARD}": own.to_bytes()},
    )  # fmt: skip
    return own


def answer(folder: PartyFolder, study: Agreement, answering: Answering, source: Source) -> Answered:
    """Take in questions, and write a draft of the answer to each that has none.

    Parameters
    ----------
    folder
        The site's.
    study
        What the folder is for.
    answering
        The statistics, with the site's data.
    source
        Those data.

    Raises
    ------
    FederationError
        The folder is not whole, is the server's or of another study; another process is at work
        in it; the data are not those of the site's first release; or the site's own rules refuse
        the question.
    """
    with folder.locked():
        history = _require_site(folder.history(), study)
        if history.data not in (None, source.fingerprint):
            raise FederationError(
                "The data are not those that the site has answered from before: what differs "
                "between two answers can be told apart. Give the cohort of the first release; "
                "for another one, all parties begin anew."
            )
        folder.refill(history)
        history, refused = folder.take_in(history)
        _clear(folder, history)
        drafts = []
        for question in history.open:
            draft = Draft(_fitting(answering(question), question), source)
            write_private(_place(folder, question.digest), draft.to_bytes())
            drafts.append(draft)
        told = tuple(
            tuple(leaving(d.answer, d.source.held, history.released, question))
            for d, question in zip(drafts, history.open, strict=True)
        )
        return Answered(tuple(drafts), told, tuple(refused))


def release(
    folder: PartyFolder, study: Agreement, *, by: str, draft: str | None = None
) -> list[Draft]:
    """Sign drafts and put them into the outbox.

    Parameters
    ----------
    folder
        The site's.
    study
        What the folder is for.
    by
        Who takes responsibility; stands in the ledger.
    draft
        Name of the one draft that is released; default: all.

    Returns
    -------
    list of Draft
        What was released; without any, there is nothing to release.

    Raises
    ------
    FederationError
        Nobody is named, or there is no such draft, or it answers no open question.
    """
    if not by.strip() or not by.isprintable() or len(by) > 80:
        raise FederationError(
            "A release is somebody's: name the person in up to 80 characters, as in --by "
            "'A. Rossi'."
        )
    with folder.locked():
        history = _require_site(folder.history(), study)
        folder.refill(history)
        _clear(folder, history)
        found = _drafts(folder, history)
        chosen = [d for d in found if draft is None or d.name == draft]
        if draft is not None and not chosen:
            raise FederationError(
                f"There is no draft {draft[:40]!r}: {', '.join(d.name for d in found) or 'none'}. "
                "Look at what `twinbayes federation answer` says."
            )
        for one in chosen:
            history = folder.send(history, one.answer, source=one.source, by=by.strip())
        _clear(folder, history)
        return chosen


def drafts_of(folder: PartyFolder, history: History) -> list[Draft]:
    """Drafts that wait for somebody to release them.

    Raises
    ------
    FederationError
        One was altered.
    """
    paths = [_place(folder, question.digest) for question in history.open]
    return [Draft.read(path) for path in paths if path.exists()]


def _drafts(folder: PartyFolder, history: History) -> list[Draft]:
    found = drafts_of(folder, history)
    questions = {q.digest: q for q in history.open}
    for draft in found:
        _fitting(draft.answer, questions[draft.answer.answers or ""])
    return found


def _place(folder: PartyFolder, question: str) -> Path:
    return folder.drafts / f"{question[:16]}{DRAFT}"


def _clear(folder: PartyFolder, history: History) -> None:
    """Remove drafts of questions that are answered."""
    for question in history.answers:
        _place(folder, question).unlink(missing_ok=True)


def _fitting(answer: Message, question: Message) -> Message:
    """Refuse an answer that is not to this question."""
    expected = (question.study, question.round, question.receiver, SERVER, question.digest)
    found = (answer.study, answer.round, answer.sender, answer.receiver, answer.answers)
    if found != expected:
        raise FederationError(
            f"The answer to round {question.round} is not for this question: study, round, parties "
            "or digest differ. Make it anew with `twinbayes federation answer`."
        )
    return answer


def _require_site(history: History, study: Agreement) -> History:
    if history.is_of_server:
        raise FederationError(
            "This is the server's folder, which asks. Answers are made and released in a site's."
        )
    return require_study(history, study)
