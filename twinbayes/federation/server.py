"""The side of the server: from what sites have answered to what is asked next, and to a posterior.

`next_step` is a function of the study and of all messages so far. The server holds no patient.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError, TwinbayesError
from twinbayes.federation.agreement.facts import Facts, agreed
from twinbayes.federation.agreement.headcounts import Counted, Headcounts, too_few
from twinbayes.federation.agreement.labels import Labels
from twinbayes.federation.agreement.markers import with_curves
from twinbayes.federation.joint.approximation import Agreement
from twinbayes.federation.joint.begin import begun
from twinbayes.federation.joint.estimation import Draws, Estimation, Place
from twinbayes.federation.masks import summed
from twinbayes.federation.message import SERVER, Message, packed, unpacked, unpacked_integers
from twinbayes.federation.posterior import FederatedPosterior
from twinbayes.federation.site import MALFORMED, MOST_DRAWS
from twinbayes.federation.study import Study
from twinbayes.inference.files.archive import described_learnt
from twinbayes.model import Encoding, Learnt
from twinbayes.model.covariates.missing import NormalModel
from twinbayes.names import FEDERATION
from twinbayes.showing import brief


@brief
@dataclass(frozen=True)
class Step:
    """Where a study is.

    Attributes
    ----------
    questions
        That wait for an answer, by site; empty when the study has ended.
    missing
        Sites that have not answered.
    text
        One line for people.
    posterior
        The result; None before the end.

    Examples
    --------
    >>> from twinbayes.federation import Study
    >>> step = next_step(Study(tb.disease("hsct"), ("north", "south", "west")), [], "store")
    >>> step.missing, step.posterior is None
    (('north', 'south', 'west'), True)
    """

    questions: tuple[Message, ...]
    missing: tuple[str, ...]
    text: str
    posterior: FederatedPosterior | None = None


def next_step(study: Study, history: Sequence[Message], store: str | os.PathLike[str]) -> Step:
    """Find out what is asked next, given all questions and answers so far.

    Parameters
    ----------
    study
        What was agreed on.
    history
        Messages of this study, in any order; an answer twice counts once.
    store
        A folder of the server's own, in which draws are kept that take minutes to make. They
        follow from study and history: without them they are made again.

    Returns
    -------
    Step
        The same for the same study and history, to the byte of its questions, on one machine.

    Raises
    ------
    FederationError
        More draws than sites score, a message of another study, an answer to no question, two
        different answers to one, or answers that do not fit each other.

    Examples
    --------
    >>> from twinbayes.federation import Study
    >>> study = Study(tb.disease("hsct"), ("north", "south", "west"))
    >>> step = next_step(study, [], "store")
    >>> [q.receiver for q in step.questions], step.questions[0].kind
    (['north', 'south', 'west'], 'labels')
    """
    try:
        return _Server(study, _Rounds.of(study, history), Path(store)).step()
    except TwinbayesError:
        raise
    except MALFORMED as error:
        raise FederationError(
            "A message of this study is malformed: another version wrote it, or nobody of it. Ask "
            "the sites for their answers of the last round again."
        ) from error


@dataclass(frozen=True)
class _Rounds:
    """Messages by round: question and answer of each site."""

    asked: tuple[Mapping[str, Message], ...]
    answered: tuple[Mapping[str, Message], ...]

    @classmethod
    def of(cls, study: Study, history: Sequence[Message]) -> _Rounds:
        asked: list[dict[str, Message]] = []
        for message in sorted({m.digest: m for m in history}.values(), key=lambda m: m.round):
            if message.study != study.digest:
                raise FederationError("A message is of another study. Keep studies apart.")
            if message.is_answer:
                continue
            while len(asked) <= message.round:
                asked.append({})
            _once(asked[message.round], message.receiver, message)
        digests = {q.digest: q for one in asked for q in one.values()}
        answered: list[dict[str, Message]] = [{} for _ in asked]
        for message in history:
            if not message.is_answer:
                continue
            question = digests.get(str(message.answers))
            if question is None or (message.sender, message.kind, message.round) != (
                question.receiver, question.kind, question.round,
            ):  # fmt: skip
                raise FederationError(
                    f"An answer of {message.sender!r} is to no question of this study: it is old, "
                    "or of another server. Ask that site to answer the question that waits."
                )
            _once(answered[message.round], message.sender, message)
        return cls(tuple(asked), tuple(answered))

    def before(self, k: int) -> _Rounds:
        """Return the first `k` rounds."""
        return _Rounds(self.asked[:k], self.answered[:k])


def _once(known: dict[str, Message], who: str, message: Message) -> None:
    before = known.get(who)
    if before is not None and before.digest != message.digest:
        raise FederationError(
            f"Round {message.round} has two different messages of or to {who!r}. Keep the first, "
            "and ask that site why there is another."
        )
    known[who] = message


@dataclass(frozen=True)
class _Server:
    study: Study
    rounds: _Rounds
    store: Path

    def step(self) -> Step:
        sites = self.study.sites
        for k, asked in enumerate(self.rounds.asked):
            missing = tuple(s for s in sites if s not in self.rounds.answered[k])
            if set(asked) != set(sites):  # the history was cut off within a round: ask it whole
                return replace(self, rounds=self.rounds.before(k))._following()
            if missing:
                kind = next(iter(asked.values())).kind
                waiting = tuple(asked[s] for s in sites)
                return Step(
                    waiting,
                    missing,
                    f"round {k} ({kind}): {len(sites) - len(missing)} of {len(sites)} sites have "
                    f"answered; waiting for {', '.join(missing)}",
                )
        return self._following()

    def _following(self) -> Step:
        done = [next(iter(one.values())).kind for one in self.rounds.asked]
        if not done:
            if self.study.draws > MOST_DRAWS:
                raise FederationError(
                    f"Sites score at most {MOST_DRAWS} draws, and the study asks for "
                    f"{self.study.draws}. Begin a study with draws={MOST_DRAWS} or fewer."
                )
            return self._ask("labels", {})
        if done[-1] == "labels":
            return self._ask("counts", self._shared)
        if done[-1] == "counts":
            return self._ask("facts", self._enough)
        if done[-1] == "facts":
            return self._ask("moments", self._settled | {"learnt": described_learnt(self._columns)})
        step = self._estimation.following()
        if step is None:
            posterior = self._estimation.posterior(self._told_of_rounds())
            told = {**posterior.manifest[FEDERATION], "held_back": list(self._held_back)}
            posterior = replace(posterior, manifest={**posterior.manifest, FEDERATION: told})
            return Step((), (), f"finished: {posterior.verdict.banner()}", posterior)
        learnt = described_learnt(self._agreement.learnt)
        known = self._settled | {"learnt": learnt, "behind": self._behind}
        if isinstance(step, Draws):
            return self._ask("score", known | {"draws": packed(step.values, single=True)})
        spread = None if step.spread is None else [packed(one) for one in step.spread]
        return self._ask("expansion", known | {"point": packed(step.point), "spread": spread})

    def _ask(self, kind: str, body: Mapping[str, Any]) -> Step:
        number = len(self.rounds.asked)
        whole = {"study": self.study.to_dict(), **body}
        questions = tuple(
            Message(self.study.digest, kind, number, SERVER, site, whole)
            for site in self.study.sites
        )
        text = f"round {number} ({kind}) is to be asked of {len(questions)} sites"
        return Step(questions, self.study.sites, text)

    def _told_of_rounds(self) -> list[dict[str, Any]]:
        """What the manifest says of each round."""
        return [
            {
                "kind": next(iter(asked.values())).kind,
                "questions": {s: asked[s].digest for s in self.study.sites},
                "answers": {s: answers[s].digest for s in self.study.sites},
                "numbers": {
                    s: len(unpacked_integers(answers[s].body["masked"]))
                    for s in self.study.sites
                    if "masked" in answers[s].body
                },
            }
            for asked, answers in zip(self.rounds.asked, self.rounds.answered, strict=True)
        ]

    # --- what the rounds have told -----------------------------------------------------------

    def _all(self, kind: str) -> list[int]:
        return [
            k for k, one in enumerate(self.rounds.asked) if next(iter(one.values())).kind == kind
        ]

    def _sum(self, number: int) -> Floats:
        """Sum of the masked numbers of one round."""
        answers = [self.rounds.answered[number][s].body for s in self.study.sites]
        if any(not isinstance(a, Mapping) or "masked" not in a for a in answers):
            raise FederationError(f"An answer of round {number} has no masked numbers.")
        return summed([unpacked_integers(a["masked"]) for a in answers])

    @cached_property
    def _shared(self) -> dict[str, Any]:
        first = self.rounds.answered[0]
        try:
            found = {s: Labels.from_dict(first[s].body["labels"]) for s in self.study.sites}
            keys = {s: str(first[s].body["key"]) for s in self.study.sites}
        except (KeyError, TypeError) as error:
            raise FederationError("The first answer of a site lacks its key or labels.") from error
        return {"labels": Labels.joined(found).to_dict(), "keys": keys}

    @cached_property
    def _labels(self) -> Labels:
        return Labels.from_dict(self._shared["labels"])

    @cached_property
    def _counted(self) -> Counted:
        """Numbers of patients."""
        heads = Headcounts(self.study.spec, self._labels)
        return heads.counted(self._sum(self._all("counts")[0]))

    @cached_property
    def _enough(self) -> dict[str, Any]:
        """What all questions have from the counts on."""
        total = self._sum(self._all("counts")[0])
        heads = Headcounts(self.study.spec, self._labels)
        heads.require(heads.counted(total), self.study.minimum)
        return self._shared | {"counts": packed(total)}

    @property
    def _settled(self) -> dict[str, Any]:
        """What questions have from the facts on: sites find columns and windows from it again."""
        return self._enough | {"facts": packed(self._sum(self._all("facts")[0]))}

    @property
    def _held_back(self) -> tuple[str, ...]:
        """Effects of which no site tells, since too few patients of all sites have them."""
        coordinates = self._agreement.coordinates
        acting = unpacked(self._behind, None)[-coordinates.size :]
        thin = too_few(coordinates, self._counted, acting, self.study.minimum)
        return tuple(coordinates.labels[k] for k in thin)

    @cached_property
    def _behind(self) -> dict[str, Any]:
        """Numbers of patients behind parts of the likelihood."""
        edges = self._agreement.learnt.edges
        width = max(len(e) for e in edges) - 1
        n_cells = len(edges) * len(self._labels.subgroups) * width
        n = n_cells + self._agreement.coordinates.size
        return packed(self._sum(self._all("moments")[0])[-n:])

    @cached_property
    def _columns(self) -> Learnt:
        """Columns and windows, without a model of what is missing."""
        facts = Facts(self.study.spec, self._labels, self._counted, self.study.minimum)
        told = self._sum(self._all("facts")[0])
        columns, left_out, edges = facts.columns_and_edges(told)
        scales = facts.scales(told)
        p = len(columns)
        nothing = NormalModel(np.zeros(p), np.eye(p))
        encoding = Encoding(
            columns, self._labels.subgroups, self._labels.centres, nothing, left_out
        )
        curves = with_curves(self.study.spec, encoding, scales) if scales else None
        return Learnt(encoding, edges, curves)

    @cached_property
    def _agreement(self) -> Agreement:
        before = self._columns
        encoding = before.encoding
        total = self._sum(self._all("moments")[0])
        scales = () if before.curves is None else before.curves.markers
        learnt, counts = agreed(
            self.study.spec,
            encoding.columns,
            encoding.left_out,
            before.edges,
            self._labels,
            scales,
            total,
        )
        return Agreement(self.study, learnt, counts)

    @cached_property
    def _estimation(self) -> Estimation:
        """All that was asked of likelihoods so far, and the sums of what was answered."""
        found = begun(self._agreement)
        n = found.agreement.coordinates.size
        for number, asked in enumerate(self.rounds.asked):
            question = next(iter(asked.values()))
            step: Place | Draws | None = None
            if question.kind == "expansion":
                given = question.body["spread"]
                spread = None if given is None else tuple(unpacked(s, None, None) for s in given)
                step = Place(unpacked(question.body["point"], n), spread)
            elif question.kind == "score":
                step = Draws(unpacked(question.body["draws"], None, n))
            if step is not None:
                kept = self.store, self._digest(number)
                found = found.answered(step, self._sum(number), number, kept)
        return found

    def _digest(self, number: int) -> str:
        """What tells the answers of a round, all together, from any others."""
        answers = self.rounds.answered[number]
        told = "".join(answers[s].digest for s in self.study.sites)
        return hashlib.sha256(told.encode()).hexdigest()[:16]
