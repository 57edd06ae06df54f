"""The vantage6 algorithm: three functions that nodes run in a container of this package.

`tables` keeps a copy of a cohort folder in the session of its node, `reply` answers one question
there, and `collect` runs at one node, asks the others, and returns the messages.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd
from vantage6.algorithm.client import AlgorithmClient
from vantage6.algorithm.decorator.action import central, data_extraction, federated
from vantage6.algorithm.decorator.algorithm_client import algorithm_client
from vantage6.algorithm.decorator.data import dataframe
from vantage6.algorithm.tools.error_handling import handle_data_errors

from twinbayes.cohort import read_cohort
from twinbayes.cohort.reading import read_files
from twinbayes.cohort.writing import cohort_files
from twinbayes.errors import FederationError, TwinbayesError
from twinbayes.federation.engines import exchange
from twinbayes.federation.message import Message
from twinbayes.federation.study import Study

TERMS: Final = "TWINBAYES_TERMS"
"""Variable of the environment in which nodes give the terms on which they answer, as JSON."""


@handle_data_errors
@data_extraction
def tables(connection_details: Mapping[str, str]) -> pd.DataFrame:
    """Read the node's cohort folder; each row is one of its files.

    vantage6 shows a database to this step alone, and tells its server the names of the columns:
    `file` and `content`. Of an error it tells the type.
    """
    files = cohort_files(read_cohort(connection_details["uri"]))
    return pd.DataFrame({"file": list(files), "content": list(files.values())})


@federated
@dataframe(1)
def reply(files: pd.DataFrame, question: str) -> str:
    """Answer one question about the node's cohort: bytes in base64 in, bytes in base64 out."""
    content = dict(zip(files["file"], files["content"], strict=True))
    answer = exchange.reply(base64.b64decode(question), partial(read_files, content), _terms())
    return base64.b64encode(answer).decode("ascii")


@central
@algorithm_client
def collect(
    client: AlgorithmClient,
    study: Mapping[str, Any],
    organizations: Mapping[str, int],
    history: str = "",
) -> dict[str, str]:
    """Run a study over the nodes of organizations.

    Parameters
    ----------
    client
        Given by vantage6.
    study
        `Study.to_dict`.
    organizations
        Site of the study -> number of the organization whose node answers for it.
    history
        Messages of an earlier run that was broken off, as it returned them.

    Returns
    -------
    dict
        ``text``: how it ended. ``history``: all messages, a line each, in base64. ``posterior``:
        the file that `load_federated` reads, in base64. Where a node gave no answer the text says
        so, the messages are those until then, and the posterior is empty.
    """

    def carry(questions: Sequence[Message]) -> Iterator[Message]:
        started = [
            client.task.create(
                method="reply",
                arguments={"question": base64.b64encode(q.to_bytes()).decode("ascii")},
                organizations=[organizations[q.receiver]],
                name=f"{q.kind} {q.round} {q.receiver}",
            )
            for q in questions
        ]
        for question, task in zip(questions, started, strict=True):
            yield _answer(question, client.wait_for_results(task_id=task["id"]))

    agreed = Study.from_dict(study)
    if unknown := set(agreed.sites) - set(organizations):
        raise FederationError(
            f"No organization is named for the sites {', '.join(sorted(unknown))} of the study. "
            "Give 'organizations' a number for every site."
        )
    messages = list(exchange.from_lines(base64.b64decode(history)))
    file = b""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        try:
            found = exchange.exchange(agreed, carry, store, tuple(messages), keep=messages.append)
            text = found.verdict.banner()
            file = found.save(store / "posterior.nc").read_bytes()
        except TwinbayesError as error:
            text = str(error)
    return {
        "text": text,
        "history": base64.b64encode(exchange.to_lines(messages)).decode("ascii"),
        "posterior": base64.b64encode(file).decode("ascii"),
    }


def _terms() -> exchange.Terms:
    """What the node's operator has written into its configuration."""
    try:
        data = json.loads(os.environ.get(TERMS, ""))
    except ValueError:
        raise FederationError(
            f"The node does not say on what terms it answers. Write {TERMS} into `algorithm_env` "
            'of its configuration: {"secret": "<64 hexadecimal digits>"}.'
        ) from None
    return exchange.Terms.from_dict(data)


def _answer(question: Message, results: Sequence[str | None]) -> Message:
    """The one result of a node's task."""
    match results:
        case [str(result)]:
            return Message.from_bytes(base64.b64decode(result))
    raise FederationError(
        f"The node of {question.receiver} gave no answer to {question.kind} {question.round}. Its "
        "log of that task, which stands at the node, says why."
    )
