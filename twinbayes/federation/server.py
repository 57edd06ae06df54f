"""The side of the server: from what sites have answered to what is asked next, and to a posterior.

`next_step` is a function of the study and of all messages so far. The server holds no patient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pymc as pm
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError, StorageError
from twinbayes.federation.blocks import Blocks
from twinbayes.federation.certificate import Certificate
from twinbayes.federation.compensator import Expansion, Factor
from twinbayes.federation.coordinates import Coordinates, population_model
from twinbayes.federation.crude import Counts, CrudeFromSites
from twinbayes.federation.facts import Facts, Labels, agreed
from twinbayes.federation.masks import summed
from twinbayes.federation.message import SERVER, Message, packed, unpacked, unpacked_integers
from twinbayes.federation.posterior import FederatedPosterior, federated
from twinbayes.federation.study import Study, learnt_to_dict
from twinbayes.inference.files.sealed import read_tree, write_tree
from twinbayes.inference.gate.verdict import Verdict, judge
from twinbayes.inference.samplers.protocol import compile_model
from twinbayes.inference.until import Effort, sample_until
from twinbayes.model import Encoding, Learnt
from twinbayes.model.covariates.missing import NormalModel
from twinbayes.names import POSTERIOR

NEWTON: Final = 4
"""Expansions before the first sampling."""

SCORINGS: Final = 3
"""Times that draws are scored, at most; between two of them is one more expansion."""

_CHAINS: Final = 4
_PILOT: Final = {"draws": 500, "tune": 500, "chains": 2, "until": None}
_RUN: Final = "run"


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
    """

    questions: tuple[Message, ...]
    missing: tuple[str, ...]
    text: str
    posterior: FederatedPosterior | None = None


def next_step(study: Study, history: Sequence[Message], store: Path) -> Step:
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
        A message of another study, an answer to no question, two different answers to one, or
        answers that do not fit each other.

    Examples
    --------
    >>> import secrets
    >>> from twinbayes.datasets import simulated_registry
    >>> study = Study(tb.disease("hsct"), ("north", "south", "west"))
    >>> step = next_step(study, [], Path("."))
    >>> [q.receiver for q in step.questions], step.questions[0].kind
    (['north', 'south', 'west'], 'labels')
    """
    return _Server(study, _Rounds.of(study, history), Path(store)).step()


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
            if missing or set(asked) != set(sites):
                kind = next(iter(asked.values())).kind
                waiting = tuple(asked[s] for s in sites if s in asked)
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
            return self._ask("labels", {})
        if done[-1] == "labels":
            return self._ask("facts", self._shared)
        if done[-1] == "facts":
            return self._ask("moments", self._shared | {"learnt": learnt_to_dict(self._columns)})
        n_points, n_scores = done.count("expansion"), done.count("score")
        known = self._shared | {"learnt": learnt_to_dict(self._agreed[0])}
        if n_points == 0:
            point = self._agreed[1].start(self._coordinates)
            return self._ask("expansion", known | {"point": packed(point), "spread": None})
        if done[-1] == "expansion" and n_points < NEWTON:
            there = packed(self._crude.mode)
            return self._ask("expansion", known | {"point": there, "spread": None})
        if done[-1] == "expansion" and n_points == NEWTON:
            pilot = self._drawn(_PILOT, "pilot")[0]
            return self._expand(known, self._coordinates.values(pilot[POSTERIOR].to_dataset()))
        if done[-1] == "expansion":
            return self._ask("score", known | {"draws": packed(self._values)})
        certificate = self._certificate
        if certificate.is_good or n_scores == SCORINGS:
            return self._finish(certificate)
        return self._expand(known, self._weighted(certificate))

    def _expand(self, known: Mapping[str, Any], values: Floats) -> Step:
        """Ask for an expansion where draws (draw, coordinate) are."""
        spread = [
            packed(np.cov(values[:, own].T).reshape(len(own), len(own)))
            for own in self._coordinates.members
        ]
        point = packed(values.mean(axis=0))
        return self._ask("expansion", {**known, "point": point, "spread": spread})

    def _ask(self, kind: str, body: Mapping[str, Any]) -> Step:
        number = len(self.rounds.asked)
        whole = {"study": self.study.to_dict(), **body}
        questions = tuple(
            Message(self.study.digest, kind, number, SERVER, site, whole)
            for site in self.study.sites
        )
        text = f"round {number} ({kind}) is to be asked of {len(questions)} sites"
        return Step(questions, self.study.sites, text)

    def _finish(self, certificate: Certificate) -> Step:
        tree, verdict, runs = self._sampled
        weighted = _reweighted(tree, self._blocks, certificate)
        judged = judge(weighted, constants=self.study.spec.constants(self._agreed[0]))
        posterior = federated(
            self.study,
            self._agreed[0],
            weighted,
            (judged, verdict.reasons, certificate),
            runs,
            self._told_of_rounds(),
        )
        return Step((), (), f"finished: {posterior.verdict.banner()}", posterior)

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
    def _columns(self) -> Learnt:
        """Columns and windows, without a model of what is missing."""
        facts = Facts(self.study.spec, self._labels)
        columns, left_out, edges = facts.columns_and_edges(self._sum(self._all("facts")[0]))
        p = len(columns)
        nothing = NormalModel(np.zeros(p), np.eye(p))
        encoding = Encoding(
            columns, self._labels.subgroups, self._labels.centres, nothing, left_out
        )
        return Learnt(encoding, edges)

    @cached_property
    def _agreed(self) -> tuple[Learnt, Counts]:
        before = self._columns
        encoding = before.encoding
        total = self._sum(self._all("moments")[0])
        return agreed(encoding.columns, encoding.left_out, before.edges, self._labels, total)

    @cached_property
    def _coordinates(self) -> Coordinates:
        learnt, counts = self._agreed
        model = population_model(self.study.spec, learnt, self.study.prior_set, counts)
        return Coordinates.of(self.study.spec, learnt, model)

    @cached_property
    def _expansion(self) -> Expansion:
        """The last one, of all sites together."""
        number = self._all("expansion")[-1]
        question = next(iter(self.rounds.asked[number].values()))
        point = unpacked(question.body["point"], self._coordinates.size)
        learnt, members = self._agreed[0], self._coordinates.members
        n_cells = max(len(e) for e in learnt.edges) - 1
        spread = tuple(np.zeros((len(own), len(own))) for own in members)
        if (given := question.body["spread"]) is not None:
            n_cells *= len(learnt.encoding.subgroups)
            spread = tuple(unpacked(s, None, None) for s in given)
        empty = Expansion.zero(self._coordinates, point, spread, n_cells)
        return empty.unpacked(self._sum(number))

    @cached_property
    def _crude(self) -> CrudeFromSites:
        learnt, counts = self._agreed
        return CrudeFromSites(counts, self._coordinates, learnt, self._expansion)

    @cached_property
    def _factor(self) -> Factor:
        return Factor(self._coordinates, self._expansion)

    @cached_property
    def _compiled(self) -> Any:
        learnt = self._agreed[0]
        model = population_model(self.study.spec, learnt, self.study.prior_set, self._crude)
        with model:
            pm.Potential("sites", self._factor.tensor(self._coordinates.tensor(model)))
        return compile_model(model)

    @cached_property
    def _blocks(self) -> Blocks:
        return Blocks.of(getattr(self._compiled, "tapes", None), self._coordinates)

    @cached_property
    def _sampled(self) -> tuple[xr.DataTree, Verdict, list[dict[str, Any]]]:
        """Draws under the last expansion."""
        draws = self.study.draws // _CHAINS
        return self._drawn({"draws": draws, "chains": _CHAINS, "until": "usable"}, "draws")

    def _drawn(
        self, length: Mapping[str, Any], what: str
    ) -> tuple[xr.DataTree, Verdict, list[dict[str, Any]]]:
        """Sample under the last expansion; read from the store where that was done before."""
        judged = partial(judge, constants=self.study.spec.constants(self._agreed[0]))
        number = self._all("expansion")[-1]
        answers = self.rounds.answered[number]
        told = "".join(answers[s].digest for s in self.study.sites)
        name = f"{what}-{hashlib.sha256(told.encode()).hexdigest()[:16]}.nc"
        try:
            tree, manifest = read_tree(self.store / name)
            return tree, judged(tree), list(manifest[_RUN])
        except StorageError:
            pass
        effort = Effort(seed=self.study.seed + number, progressbar=False, **length)
        tree, verdict, runs = sample_until(self._compiled, judged, effort)
        write_tree(self.store / name, tree, {_RUN: runs})
        return tree, verdict, runs

    @cached_property
    def _values(self) -> Floats:
        """(draw, coordinate) of all draws."""
        return self._coordinates.values(self._sampled[0][POSTERIOR].to_dataset())

    @cached_property
    def _certificate(self) -> Certificate:
        number = self._all("score")[-1]
        question = next(iter(self.rounds.asked[number].values()))
        values = unpacked(question.body["draws"], None, self._coordinates.size)
        totals = self._sum(number).reshape(len(values), -1)
        return Certificate.of(self._factor, self._blocks, values, totals)

    def _weighted(self, certificate: Certificate) -> Floats:
        """(draw, coordinate) of the weighted draws."""
        tree = _reweighted(self._sampled[0], self._blocks, certificate)
        return self._coordinates.values(tree[POSTERIOR].to_dataset())


def _reweighted(tree: xr.DataTree, blocks: Blocks, certificate: Certificate) -> xr.DataTree:
    """Draws of a tree, each part of them as often as its weight says."""
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    out = dict(groups)
    whole = len(certificate.index) == 1
    for name, group in groups.items():
        if "posterior" not in name:
            continue
        variables = {}
        for key, variable in group.data_vars.items():
            value = variable.transpose("chain", "draw", ...).to_numpy()
            flat = value.reshape(-1, *value.shape[2:])
            if whole:
                taken = flat[certificate.index[0]]
            else:
                part = np.broadcast_to(blocks.of_variable[str(key)], flat.shape[1:])
                taken = flat.copy()
                for k in np.unique(part[part >= 0]):
                    mine = part == k
                    taken[:, mine] = flat[:, mine][certificate.index[k]]
            variables[key] = (("chain", "draw", *variable.dims[2:]), taken.reshape(value.shape))
        out[name] = xr.Dataset(variables, group.coords, group.attrs)
    weighted = xr.DataTree.from_dict(out)
    weighted.attrs = dict(tree.attrs)
    return weighted
