"""What a server can work out of one patient from the sums of a federation.

Attackers here have what a server has: all questions, all answers, and their sums. They know the
model and the package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from federation_study import Told
from twinbayes.arrays import Floats
from twinbayes.federation import Message
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.masks import masked, public_key
from twinbayes.federation.message import unpacked, unpacked_integers
from twinbayes.federation.study import learnt_from_dict
from twinbayes.model import Learnt
from twinbayes.model.assemble import assemble_population
from twinbayes.names import BETA, CENTRE_EFFECT, LOG_BASELINE, SUBGROUP_EFFECT


@dataclass(frozen=True)
class Found:
    """What was worked out of one patient, or of a few; of survival without treatments.

    Attributes
    ----------
    patients
        How many they are.
    events
        How many of them died.
    days
        Their follow-up in all.
    covariates
        Sums of their covariates, by column, as they were recorded.
    """

    patients: float
    events: float
    days: float
    covariates: Mapping[str, float]


@dataclass(frozen=True)
class View:
    """A study as its server sees it, after the first expansion: no effects, rates by window."""

    told: Told

    @cached_property
    def learnt(self) -> Learnt:
        """What was agreed on."""
        return learnt_from_dict(self.told.question("expansion").body["learnt"])

    @cached_property
    def coordinates(self) -> Coordinates:
        """Coordinates of the likelihood."""
        edges, n = self.learnt.edges, len(self.learnt.encoding.subgroups)
        counts = Counts(
            tuple(np.zeros(len(e) - 1) for e in edges),
            tuple(np.ones(len(e) - 1) for e in edges), n,
        )  # fmt: skip
        study = self.told.study
        model = assemble_population(study.spec, self.learnt, study.prior_set, counts)
        return Coordinates.of(study.spec, self.learnt, model)

    @cached_property
    def expansion(self) -> Expansion:
        """The first one, of all sites together."""
        first = self.told.answers("expansion")[0][0].answers
        question = next(m for m in self.told.messages if m.digest == first)
        point = unpacked(question.body["point"], None)
        spread = tuple(np.zeros((len(own), len(own))) for own in self.coordinates.members)
        width = max(len(e) for e in self.learnt.edges) - 1
        empty = Expansion.zero(self.coordinates, point, spread, width)
        return empty.unpacked(self.told.sums("expansion")[0])

    def place(self, name: str, label: str) -> int:
        """Where a coordinate of the only intensity is."""
        return self.coordinates.labels.index(self._label(name, label))

    def _label(self, name: str, label: str) -> str:
        return next(
            x for x in self.coordinates.labels
            if x.startswith(f"{name}[") and label in x[len(name) + 1 : -1].split(", ")
        )  # fmt: skip

    @cached_property
    def rates(self) -> Floats:
        """(window,) hazard at the point."""
        return np.exp(self.expansion.point[self.coordinates.places[LOG_BASELINE]])

    @cached_property
    def everyone(self) -> Found:
        """All patients."""
        expansion, base = self.expansion, self.coordinates.places[LOG_BASELINE]
        expected = expansion.expected[0]
        events = (expansion.score[base] + expected).sum()
        return Found(np.nan, float(events), float((expected / self.rates).sum()), {})

    def with_mark(self, column: str) -> Found:
        """Those who have a 0/1 covariate, who are one where they are one."""
        return self._of(self.place(BETA, column), self._column(column).centre, column)

    def of_subgroup(self, subgroup: str) -> Found:
        """Those of a subgroup."""
        return self._of(self.place(SUBGROUP_EFFECT, subgroup), 0.0, None)

    def less_other_subgroups(self, subgroup: str) -> Found:
        """All patients less those of the other subgroups."""
        left = self.everyone
        events, days = left.events, left.days
        for other in self.learnt.encoding.subgroups:
            if other != subgroup:
                found = self.of_subgroup(other)
                events, days = events - found.events, days - found.days
        return Found(np.nan, events, days, {})

    def _column(self, name: str) -> object:
        return next(c for c in self.learnt.encoding.columns if c.label == name)

    def _of(self, place: int, shift: float, mark: str | None) -> Found:
        """Those whose column is one; a column is stored less a shift."""
        of, expected = self.expansion, self.expansion.expected[0]
        by_window = of.slope[0][:, place] + shift * expected
        events = of.score[place] + of.slope[0][:, place].sum() + shift * self.everyone.events
        weight = by_window.sum()
        covariates = {}
        for column in self.learnt.encoding.columns:
            k = self.place(BETA, column.label)
            crossed = of.information[0][place, k] + shift * of.slope[0][:, k].sum()
            if weight > 1e-6 and column.label != mark:
                covariates[column.label] = float(column.centre + column.scale * crossed / weight)
        days = float((by_window / self.rates).sum())
        return Found(np.nan, float(events), days, covariates)

    def mark_at_centre(self, column: str, centre: str) -> float:
        """Expected events of those of a centre who have a 0/1 covariate; of one, follow-up."""
        of, at = self.expansion, self.place(CENTRE_EFFECT, centre)
        shift = self._column(column).centre
        return float(
            of.information[0][at, self.place(BETA, column)] + shift * of.information[0][at, at]
        )


def keys_of_its_own(
    question: Message, site: str, true_key: str
) -> tuple[Message, dict[str, bytes]]:
    """A question in which all keys but a site's are the server's own, and their secrets."""
    secrets = {
        other: hashlib.sha256(f"forged {other}".encode()).digest()
        for other in question.body["keys"]
        if other != site
    }
    keys = {other: public_key(secret) for other, secret in secrets.items()} | {site: true_key}
    body = {**question.body, "keys": keys}
    forged = Message(
        question.study, question.kind, question.round, question.sender, question.receiver, body
    )
    return forged, secrets


def unmasked(answer: Message, question: Message, secrets: Mapping[str, bytes]) -> Floats:
    """A site's own numbers, by somebody who has all the other secrets."""
    total = unpacked_integers(answer.body["masked"])
    keys = question.body["keys"]
    for other, secret in secrets.items():
        total = total + masked(np.zeros(len(total)), other, secret, keys, question.topic)
    return total.astype(np.int64) / 2.0**24
