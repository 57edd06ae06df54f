"""A federation of toys: counts, then sums at points, then a mean. Also a process of its own.

``python federation_toy.py answer|release|step FOLDER [PATIENTS]`` does what the command line does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from twinbayes.errors import FederationError, TwinbayesError
from twinbayes.federation.exchange import server, site
from twinbayes.federation.exchange.folder import PartyFolder
from twinbayes.federation.exchange.numbers import Source
from twinbayes.federation.message import SERVER, Message, canonical, packed, unpacked


@dataclass(frozen=True)
class Toy:
    """A study of toys."""

    sites: tuple[str, ...] = ("north", "south")
    title: str = "toy"

    def to_dict(self) -> Mapping[str, Any]:
        return {"sites": list(self.sites), "title": self.title}

    @classmethod
    def from_dict(cls, content: Any) -> Toy:
        return cls(tuple(content["sites"]), content["title"])

    @cached_property
    def digest(self) -> str:
        return sha256(canonical(dict(self.to_dict()))).hexdigest()


@dataclass(frozen=True)
class ToyPosterior:
    mean: float

    def save(self, path: Path) -> Path:
        path.write_text(repr(self.mean))
        return path


@dataclass(frozen=True)
class ToyStep:
    questions: tuple[Message, ...] = ()
    missing: tuple[str, ...] = ()
    posterior: ToyPosterior | None = None
    text: str = field(default="", compare=False)


def next_step(study: Toy, history: Sequence[Message], store: Path) -> ToyStep:
    """Counts in round 0, sums of squares around the joint mean in round 1, then the result."""
    answers = {(m.round, m.sender): m for m in history if m.is_answer}
    body: dict[str, Any] = {"of": "patients"}
    for number, kind in enumerate(("counts", "scores")):
        missing = tuple(s for s in study.sites if (number, s) not in answers)
        if missing:
            asked = (Message(study.digest, kind, number, SERVER, s, body) for s in missing)
            return ToyStep(tuple(asked), missing, None, f"round {number}: {kind}")
        given = [answers[number, s].body for s in sorted(study.sites)]
        if number == 0:
            mean = sum(g["sum"] for g in given) / sum(g["n"] for g in given)
            body = {"points": packed(np.linspace(mean - 1.0, mean + 1.0, 5))}
            (store / "mean.txt").write_text(repr(mean))
    total = sum(unpacked(g["values"], 5) for g in given)
    return ToyStep(posterior=ToyPosterior(float(np.argmin(total))), text="finished")


def answer(question: Message, patients: Sequence[float]) -> Message:
    """What a site of a few values says."""
    if len(patients) < 2:
        raise FederationError(
            f"{len(patients)} patient: an answer would be that patient's record. Sites of fewer "
            "than 2 patients take no part."
        )
    if question.kind == "counts":
        body: dict[str, Any] = {
            "n": len(patients),
            "sum": float(sum(patients)),
            "withheld": ["sex"],
        }
    else:
        points = unpacked(question.body["points"], 5)
        values = ((np.array(patients)[:, None] - points) ** 2).sum(axis=0)
        body = {"values": packed(values)}
    return Message(
        question.study, question.kind, question.round, question.receiver, SERVER, body,
        answers=question.digest,
    )  # fmt: skip


def source_of(patients: Sequence[float]) -> Source:
    return Source(len(patients), sha256(repr(list(patients)).encode()).hexdigest())


def make_step(path: Path, study: Toy, **options: Any) -> server.Stepped:
    return server.step(
        PartyFolder(path), study, lambda history, store: next_step(study, history, store), **options
    )


def make_answer(path: Path, study: Toy, patients: Sequence[float], wait: float = 0) -> Any:
    def slowly(question: Message) -> Message:
        time.sleep(wait)
        return answer(question, patients)

    return site.answer(PartyFolder(path), study, slowly, source_of(patients))


def main(verb: str, path: str, *values: str) -> int:
    folder, wait, refused = Path(path), 0.0, ()
    study = Toy.from_dict(PartyFolder(folder).study_content())
    if values and values[0].startswith("wait="):
        wait, values = float(values[0][5:]), values[1:]
    try:
        if verb == "step":

            def slowly(history: Sequence[Message], store: Path) -> ToyStep:
                time.sleep(wait)
                return next_step(study, history, store)

            refused = server.step(PartyFolder(folder), study, slowly).refused
        elif verb == "answer":
            refused = make_answer(folder, study, [float(v) for v in values], wait).refused
        else:
            site.release(PartyFolder(folder), study, by="A. Rossi")
    except TwinbayesError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write("\n".join(refused))
    return 3 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
