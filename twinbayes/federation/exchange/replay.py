"""Everything verified and done again: what a folder holds is what ledger and data yield."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twinbayes.errors import TwinbayesError
from twinbayes.federation.exchange.folder import PartyFolder
from twinbayes.federation.exchange.history import History
from twinbayes.federation.exchange.ledger import SENT
from twinbayes.federation.exchange.numbers import Source
from twinbayes.federation.exchange.protocol import Answering, Stepping


def faults(folder: PartyFolder) -> list[str]:
    """What is wrong with chain, cards, messages, signatures or the study of a folder.

    A part of a record at the end, which an interrupted command leaves, is told as well: the next
    command removes it, and repeats what was not recorded.
    """
    try:
        history = folder.history()
        left = folder.ledger.interrupted()
        own, known = folder.keys.fingerprint, history.pinned.get(history.party)
    except TwinbayesError as error:
        return [str(error)]
    found = []
    if own != known:
        found.append(
            f"The private key is {own}, but {history.party} signs with {known}. Restore it from a "
            "copy."
        )
    if left:
        found.append(
            f"{folder.ledger.path.name}: ends with {left} bytes of a record that was interrupted. "
            "Repeat the command that was interrupted; if none was, restore the ledger from a copy."
        )
    return found


def replay_questions(history: History, stepping: Stepping) -> list[str]:
    """Ask everything again, each question after what was known then; say what differs.

    Parameters
    ----------
    history
        The server's.
    stepping
        The statistics.
    """
    problems: list[str] = []
    asked: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="twinbayes-") as store:
        for position, record in enumerate(history.carried):
            if record["event"] != SENT or record["message"] in asked:
                continue
            try:
                again = stepping(history.in_order[:position], Path(store))
                asked = {question.digest for question in again.questions}
            except TwinbayesError as error:
                asked = set()
                problems.append(str(error))
            if record["message"] not in asked:
                problems.append(
                    f"round {record['round']}, {record['kind']}, to {record['receiver']}: the "
                    "question is not asked again with the same bytes."
                )
    return problems


def replay_answers(history: History, answering: Answering, source: Source) -> list[str]:
    """Answer everything again, and say what differs; once, where the data are others.

    Parameters
    ----------
    history
        A site's.
    answering
        The statistics, with the site's data.
    source
        Those data.
    """
    if history.data not in (None, source.fingerprint):
        return [
            f"The cohort is not the one that {history.party} has answered from: its fingerprint is "
            f"{source.fingerprint[:12]}, that of the answers {str(history.data)[:12]}; it holds "
            f"{source.held} numbers, the other held {history.held}. No answer was made again. Give "
            "the cohort of the answers; if it was changed since, restore it from a copy."
        ]
    problems = []
    for question in history.questions:
        given = history.answers.get(question.digest)
        if given is None:
            continue
        try:
            same = answering(question).to_bytes() == given.to_bytes()
        except TwinbayesError as error:
            problems.append(f"round {question.round}, {question.kind}: {error}")
            continue
        if not same:
            problems.append(
                f"round {question.round}, {question.kind}: the answer that was released is not "
                "what these data yield now. Compare the cohort with that of the release."
            )
    return problems
