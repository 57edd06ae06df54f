"""What only the author of a model can say: the context of use, and what follows from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twinbayes.documents import read_yaml_lines
from twinbayes.errors import OptionError, require_known, told
from twinbayes.paths import path_of
from twinbayes.report.html import fragments as f

#: Field of a context → section, what it is called there.
FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "intended_status": (0, "Intended status"),
    "version": (0, "Version of the model"),
    "question": (1, "Question"),
    "context_of_use": (1, "Context of use"),
    "intended_user": (1, "Intended user"),
    "decision": (1, "Decision that it informs"),
    "not_for": (1, "Must not be used for"),
    "influence": (2, "Influence on the decision"),
    "consequence": (2, "Consequence of a wrong decision"),
    "rigour": (2, "Rigour that follows"),
    "data_source": (3, "Source of the data"),
    "data_dates": (3, "Dates of the data"),
    "eligibility": (3, "Eligibility"),
    "treatments": (3, "Treatments received"),
    "sample_size": (3, "Reason for the sample size"),
    "representativeness": (3, "Representativeness"),
    "outcome": (4, "Definition of the outcome"),
    "availability": (4, "Availability of predictors at the time of prediction"),
    "estimand": (5, "Estimand"),
    "decision_rule": (13, "Decision rule"),
    "human_oversight": (14, "Human oversight"),
    "deviations": (15, "Deviations from the plan"),
    "adequacy": (15, "Adequacy for the context of use"),
    "run_by": (16, "Role of who ran it"),
    "legal_basis": (17, "Legal basis"),
    "left_the_centre": (17, "What left the centre"),
    "monitoring": (18, "Monitoring"),
    "update_rule": (18, "Rule for updates"),
    "withdrawal_rule": (18, "Rule for withdrawal"),
    "contact": (18, "Contact"),
    "involvement": (1, "Involvement of patients and the public"),
    "inequalities": (12, "Groups at a disadvantage, and what was done about it"),
    "outcome_assessment": (4, "Who assessed the outcome"),
    "outcome_blinding": (4, "What those who assessed the outcome knew"),
    "predictor_assessment": (4, "Who assessed the predictors, and what they knew"),
    "probast": (11, "Answers to the questions of PROBAST+AI, each after its number"),
    "interpretation": (15, "Interpretation"),
    "funding": (16, "Funding"),
    "conflicts": (16, "Conflicts of interest"),
    "protocol": (16, "Protocol"),
    "registration": (16, "Registration"),
    "data_availability": (16, "Availability of the data"),
    "responsible": (16, "Organisation that is responsible"),
    "standards": (16, "Standards applied"),
    "ethics": (17, "Ethics approval and consent"),
    "information_notice": (17, "Information given to patients"),
    "authority_notice": (17, "Notice given to the data protection authority"),
    "anonymisation": (17, "Anonymisation or pseudonymisation"),
    "security": (18, "Security measures"),
    "next_steps": (18, "Next steps for research and use"),
}
_LEVELS: Final = {"influence": ("low", "medium", "high"), "consequence": ("low", "medium", "high")}


@dataclass(frozen=True)
class ReviewContext:
    """Statements of the author, by field.

    Attributes
    ----------
    said
        Field → its statements, one or more.
    """

    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.said

    def text(self, name: str) -> str:
        """Return a statement in one line; empty where there is none."""
        return "; ".join(self.said.get(name, ()))

    def section(self, number: int) -> f.Block:
        """Return what was said for a section, and NOT PROVIDED for what was not."""
        names = [n for n, (where, _) in FIELDS.items() if where == number]
        given = {FIELDS[n][1]: self.text(n) for n in names if n in self.said}
        return f.block(
            f.pairs(given) if given else None,
            *(f.not_provided(line) for line in self._absent(names)),
            f.paragraph("Said by the author; nothing in this report checks it.", "note")
            if given
            else None,
        )

    def _absent(self, names: list[str]) -> Iterator[str]:
        absent = [n for n in names if n not in self.said]
        if absent:
            labels = ", ".join(FIELDS[n][1].lower() for n in absent)
            keys = ", ".join(f"`{n}`" for n in absent)
            yield f"{labels}. To provide: {keys} in the file of `--context`, or `context=`."


def context_of(given: Mapping[str, Any] | str | os.PathLike[str] | None) -> ReviewContext:
    """Return statements from a mapping, or a YAML file.

    Parameters
    ----------
    given
        Field → text, or a list of texts; or the file with such a mapping. The fields are those of
        `FIELDS`. None: nothing is said.

    Raises
    ------
    OptionError
        If a field is not known, a statement is no text, or the file is no YAML of that kind: every
        fault at once, each with its line in the file.

    Examples
    --------
    >>> context_of({"question": "Who is transplanted?"}).text("question")
    'Who is transplanted?'
    """
    if given is None:
        return ReviewContext()
    if isinstance(given, Mapping):
        found, name, lines = given, "context", None
    else:
        path = path_of(given, OptionError, "The file of the context")
        name = path.name
        found, lines = read_yaml_lines(path, OptionError)
    said: dict[str, tuple[str, ...]] = {}
    faults: list[str] = []
    for key, value in found.items():
        where = "" if lines is None else f"line {lines.get((str(key),), 1)}: "
        try:
            said[str(key)] = _statements(key, value, name)
        except OptionError as error:
            faults.append(f"{where}{error}")
    if faults:
        head = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise OptionError("\n".join((f"{name}: {head}.", *(f"  {fault}" for fault in faults))))
    return ReviewContext(said)


def _statements(key: object, value: object, name: str) -> tuple[str, ...]:
    """The statements of one field, each on one line."""
    if not isinstance(key, str):
        raise OptionError(f"the field {told(key)} of {name} is no name. Write it as text.")
    require_known(key, FIELDS, f"field of {name}")
    given = tuple(value) if isinstance(value, list | tuple) else (value,)
    texts = tuple(" ".join(x.split()) for x in given if isinstance(x, str) and x.strip())
    if not texts or len(texts) < len(given):
        raise OptionError(
            f"{name}: {key!r} must be text, or a list of texts, none of them empty. Leave the "
            "field out where there is nothing to say."
        )
    for text in texts if key in _LEVELS else ():
        require_known(text, _LEVELS[key], f"{key} in {name}")
    return texts
