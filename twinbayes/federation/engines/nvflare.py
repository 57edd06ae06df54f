"""The NVFlare job: a controller that asks, and an executor that answers at every site.

Where a site's patients lie, and on what terms it answers, stands in a file of the site,
`local/twinbayes.json`, and never in a job. Who sends a job cannot choose what is read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from nvflare.apis.client import Client
from nvflare.apis.controller_spec import Task
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.impl.controller import Controller
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal

from twinbayes.cohort import read_cohort
from twinbayes.errors import FederationError, StorageError, TwinbayesError
from twinbayes.federation.engines import exchange
from twinbayes.federation.message import Message
from twinbayes.federation.study import Study
from twinbayes.paths import path_of
from twinbayes.private_files import FOLDER_MODE, private_opener, write_private

SETTINGS: Final = "twinbayes.json"
"""File in the folder `local` of a site that says where its patients lie, and its terms."""

HISTORY: Final = "messages.jsonl"
"""File in the run's folder on the server that holds all messages, a line each."""

POSTERIOR: Final = "posterior.nc"
"""File in the run's folder on the server that `load_federated` reads."""

CLASSES: Final = tuple(f"{__name__}.{part}" for part in ("Server", "Site"))
"""What the `class_allow_list` of the server and of every site has to name."""

_TASK: Final = "question"
_MESSAGE: Final = "message"
_PAUSE: Final = 0.05  # seconds between looks at tasks


class Site(Executor):
    """Answers questions at a site."""

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        """Answer one question: bytes of a message in, bytes of a message out."""
        try:
            folder, terms = _settings(fl_ctx)
            answer = exchange.reply(shareable[_MESSAGE], partial(read_cohort, folder), terms)
        except FederationError as error:
            self.log_error(fl_ctx, str(error))
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        out = Shareable()
        out[_MESSAGE] = answer
        return out


class Server(Controller):
    """Asks the sites of a study until there is a posterior; keeps it and every message in files.

    Parameters
    ----------
    study
        `Study.to_dict`.
    history
        Messages of a job that was broken off, a line each.
    """

    def __init__(self, study: Mapping[str, Any], history: str = "") -> None:
        super().__init__(task_check_period=_PAUSE)
        self.study = study
        self.history = history

    def start_controller(self, fl_ctx: FLContext) -> None:
        """Nothing is to be prepared."""

    def stop_controller(self, fl_ctx: FLContext) -> None:
        """Nothing is to be undone."""

    def process_result_of_unknown_task(
        self,
        client: Client,
        task_name: str,
        client_task_id: str,
        result: Shareable,
        fl_ctx: FLContext,
    ) -> None:
        """Answers that nobody waits for are not read."""

    def control_flow(self, abort_signal: Signal, fl_ctx: FLContext) -> None:
        """Run the study; the messages so far are on disk whatever happens."""
        run = Path(fl_ctx.get_prop(FLContextKey.WORKSPACE_OBJECT).get_run_dir(fl_ctx.get_job_id()))
        store = run / "store"
        store.mkdir(mode=FOLDER_MODE, exist_ok=True)
        carry = partial(self._carry, fl_ctx, abort_signal)
        before = exchange.from_lines(self.history.encode("utf-8"))
        with open(run / HISTORY, "wb", opener=private_opener) as file:

            def keep(*messages: Message) -> None:
                file.write(exchange.to_lines(messages))
                file.flush()

            try:
                keep(*before)
                study = Study.from_dict(self.study)
                found = exchange.exchange(study, carry, store, before, keep=keep)
                found.save(run / POSTERIOR)
                self.log_info(fl_ctx, found.verdict.banner())
            except TwinbayesError as error:
                self.system_panic(str(error), fl_ctx)

    def _carry(
        self, fl_ctx: FLContext, abort_signal: Signal, questions: Sequence[Message]
    ) -> Iterator[Message]:
        tasks = []
        for question in questions:
            data = Shareable()
            data[_MESSAGE] = question.to_bytes()
            tasks.append(Task(_TASK, data))
            self.send(tasks[-1], fl_ctx, targets=[question.receiver])
        for question, task in zip(questions, tasks, strict=True):
            while task.completion_status is None and not abort_signal.triggered:
                time.sleep(_PAUSE)
            result = task.client_tasks[-1].result if task.client_tasks else None
            if result is None or _MESSAGE not in result:
                raise FederationError(
                    f"The site {question.receiver} gave no answer to {question.kind} "
                    f"{question.round}. Its own log says why."
                )
            yield Message.from_bytes(result[_MESSAGE])


def _settings(fl_ctx: FLContext) -> tuple[Path, exchange.Terms]:
    """Where the patients of this site lie, and on what terms it answers."""
    name = fl_ctx.get_identity_name()
    place = fl_ctx.get_prop(FLContextKey.WORKSPACE_OBJECT).get_file_path_in_site_config(SETTINGS)
    try:
        own = dict(json.loads(Path(place).read_text(encoding="utf-8"))[name])
        folder = Path(own.pop("cohort"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FederationError(
            f"The site {name} does not say where its patients lie ({type(error).__name__}). Write "
            f'local/{SETTINGS} there: {{"{name}": {{"cohort": "<folder>", "secret": "<64 '
            'hexadecimal digits>"}}.'
        ) from None
    return folder, exchange.Terms.from_dict(own)


def write_job(
    study: Study,
    place: str | os.PathLike[str],
    history: Iterable[Message] = (),
    *,
    name: str = "twinbayes",
) -> Path:
    """Write the job of a study: a folder of three files, none of them code.

    NVFlare's own `FedJob` would copy parts of this package into the job. Sites would have to let
    in code from outside, which also escapes their list of allowed classes.

    Parameters
    ----------
    study
        What all parties have agreed on; its sites are the clients of the network, by their names.
    place
        Folder in which the job's own is made.
    history
        Messages of a job that was broken off: it goes on where they end.
    name
        Of the job and of its folder.

    Returns
    -------
    Path
        The folder, to be submitted to a network or given to the simulator.

    Raises
    ------
    StorageError
        The folder is there already, or cannot be made.

    Examples
    --------
    >>> write_job(study, "jobs")  # doctest: +SKIP
    PosixPath('jobs/twinbayes')
    """
    told = {"study": study.to_dict(), "history": exchange.to_lines(history).decode("utf-8")}
    server, site = CLASSES
    files = {
        "meta.json": {
            "name": name,
            "resource_spec": {},
            "min_clients": len(study.sites),
            "mandatory_clients": list(study.sites),
            "deploy_map": {"app_server": ["server"], "app_site": list(study.sites)},
        },
        "app_server/config/config_fed_server.json": {
            "format_version": 2,
            "workflows": [{"id": "server", "path": server, "args": told}],
        },
        "app_site/config/config_fed_client.json": {
            "format_version": 2,
            "executors": [{"tasks": [_TASK], "executor": {"path": site, "args": {}}}],
        },
    }
    folder = path_of(place, StorageError, "write_job") / name
    try:
        for file in files:
            (folder / file).parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok="/" not in file)
    except OSError as error:
        raise StorageError(
            f"write_job: the folder of the job cannot be made ({error.strerror}). Name another "
            "place, or another job."
        ) from error
    for file, content in files.items():
        write_private(folder / file, json.dumps(content, indent=2))
    return folder
