"""Small studies of made-up patients, question by question, and what a server sees of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.federation import Disclosure, FederatedPosterior, Message, Study, answer, next_step
from twinbayes.federation.masks import summed
from twinbayes.federation.message import unpacked_integers
from twinbayes.model import ModelSpec, PiecewiseConstant, Term
from twinbayes.names import LAST_CONTACT

SITES = ("north", "south", "west", "east")


def secret_of(site: str) -> bytes:
    """Of tests alone."""
    return hashlib.sha256(site.encode()).digest()


@dataclass
class Told:
    """All messages of a study, as the server has them, and the posterior at its end."""

    study: Study
    messages: list[Message] = field(default_factory=list)
    posterior: FederatedPosterior | None = None

    def answers(self, kind: str) -> list[list[Message]]:
        """Answers of one kind, round by round."""
        found = [m for m in self.messages if m.is_answer and m.kind == kind]
        rounds = sorted({m.round for m in found})
        return [[m for m in found if m.round == r] for r in rounds]

    def sums(self, kind: str) -> list[Floats]:
        """What the server adds up, round by round."""
        each = self.answers(kind)
        return [summed([unpacked_integers(m.body["masked"]) for m in one]) for one in each]

    def question(self, kind: str) -> Message:
        """The last one of a kind."""
        return [m for m in self.messages if not m.is_answer and m.kind == kind][-1]


def driven(
    study: Study,
    cohorts: Mapping[str, Cohort],
    store: Path,
    until: Callable[[Message], bool] = lambda _: False,
    **rules: object,
) -> Told:
    """Ask and answer to the end, or to the first question that `until` is true of."""
    told = Told(study)
    while True:
        step = next_step(study, told.messages, store)
        if step.posterior is not None or until(step.questions[0]):
            told.posterior = step.posterior
            return told
        for question in step.questions:
            site = question.receiver
            known = Disclosure(secret_of(site), minimum=study.minimum, **rules)  # type: ignore[arg-type]
            told.messages += [question, answer(question, cohorts[site], disclosure=known)]


def before(kind: str, number: int = 0) -> Callable[[Message], bool]:
    """Stops before the question of this kind that comes after `number` of them."""
    seen: set[int] = set()

    def stops(question: Message) -> bool:
        if question.kind == kind:
            seen.add(question.round)
        return question.kind == kind and len(seen) > number

    return stops


def patients(site: str, n: int, seed: int, carriers: int = 3) -> pd.DataFrame:
    """Patients of a site with an age, a sex, a 0/1 mark, days of follow-up, and death."""
    rng = np.random.default_rng([seed, SITES.index(site)])
    mark = np.zeros(n)
    mark[:carriers] = 1.0
    return pd.DataFrame({
        "patient_id": [f"{site}_{k}" for k in range(n)],
        "subgroup": np.where(np.arange(n) % 2 == 0, "one", "two"),
        "centre": site,
        "age_years": rng.normal(60.0, 10.0, n).round(1),
        "sex": rng.choice(["female", "male"], n),
        "mark": mark,
        "days": rng.exponential(700.0, n).round() + 1.0,
        "dead": rng.random(n) < 0.6,
    })  # fmt: skip


def cohort_of(table: pd.DataFrame, **levels: str | None) -> Cohort:
    """The patients as a cohort; with further columns, each with its declared levels."""
    ids = table["patient_id"]
    events = pd.DataFrame({
        "patient_id": ids, "day": table["days"],
        "event": np.where(table["dead"], "death", LAST_CONTACT),
    })  # fmt: skip
    tables_of = {"table": "patients", "role": "covariate", "group": "clinical"}
    known = [
        {"name": "age_years", "unit": "years", "min": 0.0, "max": 120.0},
        {"name": "sex", "levels": "female|male"},
        {"name": "mark", "min": 0.0, "max": 1.0},
        *({"name": name, "levels": known} for name, known in levels.items()),
    ]
    known = [row for row in known if row["name"] in table]
    tables = {
        "patients": table.drop(columns=["days", "dead"]), "events": events,
        "variables": pd.DataFrame([tables_of | row for row in known]),
    }  # fmt: skip
    return cohort_from_tables("site", tables)


def spec_of(*names: str) -> ModelSpec:
    """Survival by some of age, sex and the mark."""
    how = {"age_years": "standardise", "sex": "category", "mark": "binary"}
    terms = tuple(Term(name=n, group="clinical", transform=how[n]) for n in names)
    windows = PiecewiseConstant(windows=4)
    return tb.disease("survival", baseline=windows, covariates=terms)


def network(n: int = 30, seed: int = 1, **options: int) -> dict[str, pd.DataFrame]:
    """Patients of all sites."""
    return {site: patients(site, n, seed, **options) for site in SITES}
