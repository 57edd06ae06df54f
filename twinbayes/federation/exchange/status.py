"""Where an exchange is: who has answered what, who is waited for, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twinbayes.federation.exchange.folder import PartyFolder
from twinbayes.federation.exchange.history import History
from twinbayes.federation.exchange.numbers import leaving
from twinbayes.federation.exchange.protocol import Agreement
from twinbayes.federation.exchange.server import INVITATION, require_study
from twinbayes.federation.exchange.site import Draft, drafts_of
from twinbayes.federation.message import SERVER

_COMMAND: Final = "twinbayes federation"


@dataclass(frozen=True)
class Status:
    """Where one party is.

    Attributes
    ----------
    party, study
        Whose folder, and the SHA-256 of the study.
    lines
        One a site of the server's, one a round of a site's.
    waiting
        Parties that are waited for.
    next
        What to do.
    """

    party: str
    study: str
    lines: tuple[str, ...]
    waiting: tuple[str, ...]
    next: str


def status_of(folder: PartyFolder, study: Agreement) -> Status:
    """Say where a party is, from its folder alone.

    Raises
    ------
    FederationError
        The folder is not whole, or of another study.
    StorageError
        Its ledger is not whole.
    """
    history = require_study(folder.history(), study)
    of = _of_server if history.is_of_server else _of_site
    lines, waiting, advice = of(folder, history, study)
    return Status(history.party, history.study, tuple(lines), tuple(waiting), advice)


def _of_server(
    folder: PartyFolder, history: History, study: Agreement
) -> tuple[list[str], list[str], str]:
    lines = []
    waiting = sorted({q.receiver for q in history.open})
    absent = [site for site in study.sites if site not in history.pinned]
    for site in study.sites:
        mine = [q for q in history.questions if q.receiver == site]
        answered = [q for q in mine if q.digest in history.answers]
        said = [f"key {history.pinned[site]}" if site in history.pinned else "has not joined"]
        if answered:
            last = history.answers[answered[-1].digest]
            said.append(
                f"answered {len(answered)} of {len(mine)}, the last (round {last.round}, "
                f"{last.kind}) {_when(history.time_of(last))}"
            )
        said += [
            f"WAITED FOR: round {q.round}, {q.kind}, asked {_when(history.time_of(q))}"
            for q in mine
            if q.digest not in history.answers
        ]
        lines.append(f"{site}: {'; '.join(said)}")
    if absent:
        advice = (
            f"Send outbox/{INVITATION} to {', '.join(absent)}; put their cards into the inbox; "
            f"then: {_COMMAND} step FOLDER --pin SITE=KEY"
        )
    elif waiting:
        advice = (
            f"Carry outbox/SITE to {', '.join(waiting)}, put what they release into the inbox; "
            f"then: {_COMMAND} step FOLDER"
        )
    elif history.finished is not None:
        file = history.finished["file"]
        advice = (
            f"The study is finished: send {file} to the sites; there: "
            f"{_COMMAND} fit SITE {file} COHORT --out FIT.nc"
        )
    else:
        advice = f"{_COMMAND} step FOLDER"
    return lines, waiting, advice


def _of_site(
    folder: PartyFolder, history: History, study: Agreement
) -> tuple[list[str], list[str], str]:
    drafts = {d.answer.answers: d for d in drafts_of(folder, history)}
    by = {r["message"]: r.get("released_by") for r in history.carried}
    lines = [f"own key {history.pinned[history.party]}; server's {history.pinned[SERVER]}"]
    for question in history.questions:
        given = history.answers.get(question.digest)
        if given is not None:
            said = f"released by {by[given.digest]} {_when(history.time_of(given))}"
        else:
            said = _open(drafts.get(question.digest))
        lines.append(f"round {question.round}, {question.kind}: {said}")
        if question.digest in drafts:
            draft = drafts[question.digest]
            lines += [
                f"  {line}"
                for line in leaving(draft.answer, draft.source.held, history.released, question)
            ]
    held = history.held
    lines.append(
        f"{history.released} numbers released in all"
        + ("" if held is None else f", where {held} were held at the last release")
    )
    if drafts:
        advice = f"Look at what would leave; then: {_COMMAND} release FOLDER --by NAME"
    elif history.open:
        advice = f"{_COMMAND} answer FOLDER COHORT"
    elif history.questions:
        advice = (
            "Carry the outbox to the server, put what it asks next into the inbox; then: "
            f"{_COMMAND} answer FOLDER COHORT. If it asks no more and sends posterior.nc: "
            f"{_COMMAND} fit FOLDER posterior.nc COHORT --out FIT.nc"
        )
    else:
        advice = (
            "Carry the card in the outbox to the server, tell it your key, put its question into "
            f"the inbox; then: {_COMMAND} answer FOLDER COHORT"
        )
    return lines, [] if history.open else [SERVER], advice


def _open(draft: Draft | None) -> str:
    return "not answered" if draft is None else f"draft {draft.name}, NOT RELEASED"


def _when(time: str) -> str:
    return time[:16].replace("T", " ")
