"""Signatures and comments: one line each, appended whole or not at all, chained by hashes."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from twinbayes.errors import TwinbayesError
from twinbayes.hash_chain import HashChain
from twinbayes.serve.access import Person


class Decision(StrEnum):
    """What a line says of a section."""

    APPROVE = "approve"
    REVISE = "revise"
    REJECT = "reject"
    COMMENT = "comment"


MEANINGS: Final[Mapping[str, Decision]] = {
    "adequate": Decision.APPROVE,
    "verified": Decision.APPROVE,
    "changes": Decision.REVISE,
    "inadequate": Decision.REJECT,
    "comment": Decision.COMMENT,
}
"""What can be signed: key of the sentence → decision."""
NEEDS_WORDS: Final = frozenset({"changes", "inadequate", "comment"})
MOST_WORDS: Final = 2_000  # characters of a comment
FORM_NAME: Final = re.compile(r"[0-9a-f]{32}")
_SUBSTANCE: Final = ("section", "meaning", "text", "answers", "content", "fit")


class RepeatedError(TwinbayesError):
    """A line that is there already; `is_same_form` where it is the same form, sent twice."""

    def __init__(self, *, is_same_form: bool) -> None:
        super().__init__("This line is there already, and was not written again.")
        self.is_same_form = is_same_form


class UsedFormError(TwinbayesError):
    """A form that was sent before, with something else in it or by somebody else."""

    def __init__(self) -> None:
        super().__init__("This form was used before, for another line. Nothing was written now.")


class UnknownLineError(TwinbayesError):
    """What is answered is no comment on this section."""

    def __init__(self) -> None:
        super().__init__("What is answered is no comment on this section.")


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a person signs, or comments.

    Attributes
    ----------
    section, heading
        Anchor and heading of the section.
    meaning
        A key of `MEANINGS`.
    sentence, language
        What the person was shown as its meaning, in which language.
    text
        The person's own words.
    answers
        Number of the record that is answered; None of what answers none.
    content, fit
        Hashes of the section and of the fit.
    form
        Name of the form that was sent, which counts once.

    Examples
    --------
    >>> Signature(
    ...     section="limits", heading="Limits", meaning="adequate", sentence="I have …",
    ...     language="en", content="3f…", fit="9a…", form="0" * 32,
    ... ).decision
    <Decision.APPROVE: 'approve'>
    """

    section: str
    heading: str
    meaning: str
    sentence: str
    language: str
    content: str
    fit: str
    form: str
    text: str = ""
    answers: int | None = None

    @property
    def decision(self) -> Decision:
        """Approve, revise, reject or comment."""
        return MEANINGS[self.meaning]

    @property
    def plain(self) -> dict[str, Any]:
        """As a record has it."""
        return {
            "section": self.section,
            "heading": self.heading,
            "decision": self.decision.value,
            "meaning": self.meaning,
            "sentence": self.sentence,
            "language": self.language,
            "text": self.text,
            "answers": self.answers,
            "content": self.content,
            "fit": self.fit,
            "form": self.form,
        }


class SignatureLog(HashChain):
    """Sign-offs and comments, as records of a chain.

    Examples
    --------
    >>> log = SignatureLog.begin("signatures.jsonl")  # doctest: +SKIP
    >>> log.add(person, signature)["decision"]  # doctest: +SKIP
    'approve'
    """

    def add(self, person: Person, signature: Signature) -> dict[str, Any]:
        """Append one line; on return it is on disk.

        Parameters
        ----------
        person
            Who signs: as the proxy that authenticates people has it.
        signature
            What.

        Raises
        ------
        RepeatedError
            The form was sent before, or the person's last line on this section says the same.
        UsedFormError
            The form was sent before, with something else in it or by somebody else.
        UnknownLineError
            What is answered is no comment on this section.
        StorageError
            The file is not whole, or cannot be written to.
        """
        content = {"person": person.name, "role": person.role.value, **signature.plain}

        def require_new(records: list[dict[str, Any]]) -> None:
            used = [r for r in records if hmac.compare_digest(r["form"], signature.form)]
            if used and any(used[0][key] != content[key] for key in ("person", *_SUBSTANCE)):
                raise UsedFormError
            if used:
                raise RepeatedError(is_same_form=True)
            mine = [r for r in records if _is_of(r, signature) and r["person"] == person.name]
            if mine and all(mine[-1][key] == content[key] for key in _SUBSTANCE):
                raise RepeatedError(is_same_form=False)
            if signature.answers is not None and not any(
                r["record"] == signature.answers and _is_of(r, signature) and needs_answer(r)
                for r in records
            ):
                raise UnknownLineError

        return self._append(content, unless=require_new)


def needs_answer(record: Mapping[str, Any]) -> bool:
    """Whether a record is a comment that answers none."""
    return record["decision"] == Decision.COMMENT and record["answers"] is None


def _is_of(record: Mapping[str, Any], signature: Signature) -> bool:
    return bool(record["section"] == signature.section)
