"""The side of a site: questions in, answers out, and nothing of a patient in them.

An answer is a function of the question, the site's cohort and its secret; nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError, TwinbayesError
from twinbayes.federation.agreement.conformity import (
    require_known,
    require_learnt,
    require_told,
)
from twinbayes.federation.agreement.facts import Facts, moments
from twinbayes.federation.agreement.headcounts import (
    Headcounts,
    held_back,
    joined_cells,
    too_few,
)
from twinbayes.federation.agreement.labels import Labels
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.federation.likelihood.integrated import (
    IntegratedLikelihood,
    has_own_effects,
    require_dated,
)
from twinbayes.federation.masks import FEWEST, SECRET_BYTES, fingerprint, masked, public_key
from twinbayes.federation.message import Message, packed_integers, unpacked
from twinbayes.federation.study import MINIMUM, Study, learnt_from_dict
from twinbayes.model.assemble import assemble_population
from twinbayes.model.inspection.suitability import require_suitable
from twinbayes.showing import brief

KINDS: Final = ("labels", "counts", "facts", "moments", "expansion", "score")
"""What a site is asked, in the order of a study."""

MOST_ROUNDS: Final = 16
"""Questions of one study, at most."""

MALFORMED: Final = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError, np.linalg.LinAlgError,
)  # fmt: skip
"""What reading plain data of somebody else's making may end in, where they are not what is due."""

MOST_DRAWS: Final = 8000
"""That a site scores at one time."""


@brief
@dataclass(frozen=True)
class Disclosure:
    """What a site lets leave.

    Parameters
    ----------
    secret
        `SECRET_BYTES` random bytes that the site keeps, one for each study.
    minimum
        Patients and events behind whatever tells of this site alone, at least; a study that asks
        for fewer is refused.
    fewest_sites
        Sites among whose numbers this site's are hidden, at least.
    keys
        `masks.fingerprint` of the keys of all sites, as people of the sites have compared it
        without the server: a server that has put its own keys in their place is refused. None:
        the server is trusted to pass keys on.

    Examples
    --------
    >>> import secrets
    >>> Disclosure(secret=secrets.token_bytes(32)).minimum
    5
    """

    secret: bytes = field(repr=False)
    minimum: int = MINIMUM
    fewest_sites: int = FEWEST
    keys: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.secret, bytes) or len(self.secret) != SECRET_BYTES:
            raise FederationError(
                f"A site's secret is {SECRET_BYTES} random bytes: secrets.token_bytes("
                f"{SECRET_BYTES}), kept where the data are."
            )


def answer(question: Message, cohort: Cohort, *, disclosure: Disclosure) -> Message:
    """Answer a question about a cohort.

    Parameters
    ----------
    question
        Of the server, to this site.
    cohort
        The site's patients.
    disclosure
        What may leave, and the site's secret.

    Returns
    -------
    Message
        Its body has the site's key and the names of its subgroups, centres and levels (the first
        answer), or integers that tell of nothing but their sum over all sites.

    Raises
    ------
    FederationError
        The question is none, of another study than its text, or asks for more than may leave; or
        the cohort is too small or does not fit the model.

    Examples
    --------
    >>> import secrets
    >>> from twinbayes.federation import Study, next_step
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> question = next_step(Study(spec, ("a", "b", "c")), [], "store").questions[0]
    >>> mine = Disclosure(secret=secrets.token_bytes(32))
    >>> reply = answer(question, tb.datasets.simulated_registry(), disclosure=mine)
    >>> sorted(reply.body)
    ['key', 'labels']
    """
    if question.is_answer or question.kind not in KINDS:
        raise FederationError(
            f"A site answers questions of the kinds {', '.join(KINDS)}, not {question.kind!r}."
        )
    study = Study.from_dict(_part(question.body, "study"))
    _require_in_order(question, study, disclosure)
    if cohort.n_patients < max(disclosure.minimum, 1):
        raise FederationError(
            f"The cohort has {cohort.n_patients} patient(s): fewer than {disclosure.minimum} tell "
            "of single persons. Join with another site, or stay out of this study."
        )
    try:
        body = _answered(question, study, cohort, disclosure)
    except FederationError:
        raise
    except TwinbayesError as error:
        raise FederationError(f"The site's cohort does not fit the study: {error}") from error
    except MALFORMED as error:
        raise FederationError(
            f"The question of round {question.round} ({question.kind}) is malformed: the server "
            "did not write it, or writes another version. Ask for it to be sent again."
        ) from error
    return Message(
        question.study,
        question.kind,
        question.round,
        question.receiver,
        question.sender,
        body,
        answers=question.digest,
    )


def _answered(
    question: Message, study: Study, cohort: Cohort, disclosure: Disclosure
) -> dict[str, Any]:
    if question.kind == "labels":
        # What does not fit is found before names leave.
        require_suitable(study.spec, cohort)
        if has_own_effects(study.spec):
            require_dated(cohort)
        found = Labels.of(study.spec, cohort, study.minimum)
        return {"key": public_key(disclosure.secret), "labels": found.to_dict()}
    keys = _keys(question.body, study, disclosure)
    numbers = _numbers(question, study, cohort)
    sent = masked(numbers, question.receiver, disclosure.secret, keys, question.topic)
    return {"masked": packed_integers(sent)}


def _numbers(question: Message, study: Study, cohort: Cohort) -> Floats:
    """What is masked."""
    labels = Labels.from_dict(_part(question.body, "labels"))
    heads = Headcounts(study.spec, labels)
    if question.kind == "counts":
        return heads.of_site(cohort)
    counted = heads.counted(unpacked(_part(question.body, "counts"), None))
    heads.require(counted, study.minimum)
    facts = Facts(study.spec, labels, counted, study.minimum)
    if question.kind == "facts":
        return facts.of_site(cohort)
    learnt = learnt_from_dict(_part(question.body, "learnt"))
    require_learnt(study.spec, learnt, facts, unpacked(_part(question.body, "facts"), None))
    require_known(learnt, cohort)
    none = Counts(
        tuple(np.zeros(len(e) - 1) for e in learnt.edges),
        tuple(np.ones(len(e) - 1) for e in learnt.edges),
        len(learnt.encoding.subgroups),
    )
    model = assemble_population(study.spec, learnt, study.prior_set, none)
    coordinates = Coordinates.of(study.spec, learnt, model)
    events = study.spec.plan(cohort, learnt).events
    if question.kind == "moments":
        return moments(events, coordinates, cohort)
    shape = (len(learnt.edges), len(labels.subgroups), max(len(e) for e in learnt.edges) - 1)
    n_cells = int(np.prod(shape))
    found = unpacked(_part(question.body, "behind"), n_cells + coordinates.size)
    held = np.union1d(
        held_back(coordinates, learnt, cohort, events, study.minimum),
        too_few(coordinates, counted, found[n_cells:], study.minimum),
    )
    if has_own_effects(study.spec):
        if question.kind != "score":
            raise FederationError("Sites tell values of this model's likelihood, and no expansion.")
        require_told(coordinates, held)
        integrated = IntegratedLikelihood(study.spec, learnt, coordinates, cohort, held)
        return integrated.totals(_draws(question.body, coordinates)).ravel()
    local = EventLikelihood(study.spec, learnt, coordinates, cohort, held)
    if question.kind == "expansion":
        point = unpacked(_part(question.body, "point"), coordinates.size)
        expansion = local.expansion(point, _spread(question.body, coordinates))
        return joined_cells(expansion, found[:n_cells].reshape(shape), study.minimum).packed()
    return local.totals(_draws(question.body, coordinates)).ravel()


def _draws(body: Mapping[str, Any], coordinates: Coordinates) -> Floats:
    """(draw, coordinate) of a question."""
    values = unpacked(_part(body, "draws"), None, coordinates.size)
    if len(values) > MOST_DRAWS:
        raise FederationError(f"A site scores at most {MOST_DRAWS} draws, not {len(values)}.")
    return values


def _spread(body: Mapping[str, Any], coordinates: Coordinates) -> tuple[Floats, ...] | None:
    """Covariances of a question; None where there are none."""
    given = _part(body, "spread")
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != len(coordinates.members):
        raise FederationError("The question has not one spread an intensity.")
    sizes = [len(own) for own in coordinates.members]
    return tuple(unpacked(one, n, n) for one, n in zip(given, sizes, strict=True))


def _require_in_order(question: Message, study: Study, disclosure: Disclosure) -> None:
    if study.digest != question.study:
        raise FederationError(
            "The question is of another study than the text that it carries: one of them was "
            "changed. Ask the server to send it again."
        )
    if question.receiver not in study.sites:
        raise FederationError(f"{question.receiver!r} is no site of this study.")
    if not 0 <= question.round < MOST_ROUNDS:
        raise FederationError(f"A study has at most {MOST_ROUNDS} questions.")
    if study.minimum < disclosure.minimum:
        raise FederationError(
            f"The study lets {study.minimum} patients stand behind a number; this site asks for at "
            f"least {disclosure.minimum}. Begin a study with minimum={disclosure.minimum}."
        )


def _keys(body: Mapping[str, Any], study: Study, disclosure: Disclosure) -> dict[str, str]:
    keys = _part(body, "keys")
    if not isinstance(keys, dict) or set(keys) != set(study.sites):
        raise FederationError("The question does not have the keys of all sites of the study.")
    keys = {str(k): str(v) for k, v in keys.items()}
    if len(set(keys.values())) < len(keys):
        raise FederationError("Two sites have the same key: numbers would not be hidden.")
    if len(keys) < disclosure.fewest_sites:
        raise FederationError(
            f"The study has {len(keys)} sites; this one answers among at least "
            f"{disclosure.fewest_sites}."
        )
    found = fingerprint(keys)
    if disclosure.keys is not None and _digits(disclosure.keys) != _digits(found):
        raise FederationError(
            f"The keys under which numbers would be masked have the fingerprint {found}, not "
            f"{disclosure.keys}: the server has told this site other keys than the others, and "
            "could read its numbers. Nothing was answered. Compare fingerprints among the sites "
            "by telephone, without the server."
        )
    return keys


def _digits(text: str) -> str:
    return "".join(c for c in text.lower() if c not in "- ")


def _part(body: Mapping[str, Any], name: str) -> Any:
    if not isinstance(body, Mapping) or name not in body:
        raise FederationError(f"The question lacks its part {name!r}.")
    return body[name]
