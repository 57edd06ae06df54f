"""What commands of federations work on: folders and studies; statistics are imported where needed.

Who looks at a folder, releases what lies there, or steps in a study that is finished waits for no
sampler to be imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinbayes.errors import OptionError

if TYPE_CHECKING:
    from twinbayes.cohort import Cohort
    from twinbayes.federation.exchange.folder import PartyFolder
    from twinbayes.federation.exchange.protocol import Agreement, Answering, Progress, Stepping
    from twinbayes.federation.message import Message
    from twinbayes.federation.site import Disclosure
    from twinbayes.federation.study import Study


def party_folder(path: Path) -> PartyFolder:
    """The folder of a party; whether there is one is not looked at."""
    from twinbayes.federation.exchange.folder import PartyFolder

    return PartyFolder(path)


def opened(path: Path) -> tuple[PartyFolder, Agreement]:
    """A folder, and the study that it is for as it is recorded: the model is not read."""
    folder = party_folder(path)
    return folder, folder.study()


def new_study(spec: Any, sites: tuple[str, ...], priors: str | None, **numbers: int) -> Agreement:
    """A study of a model.

    Raises
    ------
    OptionError
        It is no model of patients.
    """
    import twinbayes as tb
    from twinbayes.federation.study import Study

    if not isinstance(spec, tb.ModelSpec):
        raise OptionError("start: a federation is for models of patients, and this is none.")
    return Study(spec, sites, None if priors is None else tb.load_priors(priors), **numbers)


def study_of(content: Any) -> Any:
    """Read a study with its model."""
    from twinbayes.federation.study import Study

    return Study.from_dict(content)


def as_recorded(recorded: Agreement) -> Study:
    """The study of a folder with its model, which has to be the one that was agreed on."""
    from twinbayes.federation.exchange.protocol import require_read_as

    study: Study = study_of(recorded.to_dict())
    require_read_as(recorded.digest, study)
    return study


def stepping(recorded: Agreement) -> Stepping:
    """Steps of the centre in a study."""
    study = cache(lambda: as_recorded(recorded))

    def step(history: Sequence[Message], store: Path) -> Progress:
        from twinbayes.federation.server import next_step

        return next_step(study(), history, store)

    return step


def answering(folder: PartyFolder, cohort: Cohort, keys: str | None = None) -> Answering:
    """Answers under the site's own rules; its masks follow from its private key."""

    @cache
    def rules() -> Disclosure:
        from twinbayes.federation.site import Disclosure

        as_recorded(folder.study())
        return Disclosure(folder.keys.secret("masks"), keys=keys, **folder.history().policy)

    def reply(question: Message) -> Message:
        from twinbayes.federation.site import answer as answer_question

        return answer_question(question, cohort, disclosure=rules())

    return reply


def posterior_of(path: Path) -> Any:
    """Read the posterior that a step wrote."""
    from twinbayes.federation.posterior import load_federated

    return load_federated(path)
