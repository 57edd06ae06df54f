"""How many numbers a message carries and a cohort holds: what people see before a release."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinbayes.federation.masks import fingerprint
from twinbayes.federation.message import Message
from twinbayes.names import PATIENT_ID, VARIABLES

if TYPE_CHECKING:
    from twinbayes.cohort import Cohort


_KEY: Final = re.compile(r"[0-9a-f]{65,}")


@dataclass(frozen=True)
class Source:
    """The data that a site answers from.

    Attributes
    ----------
    held
        How many numbers they are.
    fingerprint
        Hash of them.
    """

    held: int
    fingerprint: str

    @classmethod
    def of(cls, cohort: Cohort) -> Source:
        """Count and name a cohort."""
        return cls(numbers_held(cohort), cohort.fingerprint)


def numbers_in(content: Any) -> int:
    """Numbers and truth values in plain data; arrays count by their shape.

    Examples
    --------
    >>> numbers_in({"events": [3, 1], "rate": 0.5, "of": "deaths"})
    3
    """
    if isinstance(content, Mapping):
        if _is_array(content):
            return math.prod(content["shape"])
        return sum(numbers_in(part) for part in content.values())
    if isinstance(content, list | tuple):
        return sum(numbers_in(part) for part in content)
    return int(isinstance(content, int | float))


def numbers_held(cohort: Cohort) -> int:
    """Cells of a cohort that say something of patients: identifiers and blanks are not counted."""
    return sum(
        int(table.drop(columns=PATIENT_ID).notna().to_numpy().sum())
        for name, table in cohort.tables.items()
        if name != VARIABLES
    )


def leaving(answer: Message, held: int, before: int, question: Message) -> list[str]:
    """Say what would leave with an answer, field by field.

    Parameters
    ----------
    answer
        The answer.
    held
        Numbers that the site holds.
    before
        Numbers that left in the same study before.
    question
        What is answered.
    """
    released = numbers_in(answer.body)
    lines = [
        f"Round {answer.round}, {answer.kind}, to {answer.receiver}: {_many(released, 'number')}, "
        f"where {held} are held; {before} left before in this study."
    ]
    for name, content in answer.body.items():
        texts, numbers = list(_texts(content)), numbers_in(content)
        said = [_many(numbers, "number")] if numbers or not texts else []
        said += [f"{_many(len(texts), 'text')}: {_shown(content)}"] if texts else []
        lines.append(f"  {name}: {'; '.join(said)}{_range(content)}")
    keys = question.body.get("keys")
    if isinstance(keys, Mapping):
        lines.append(
            f"  Masked with the keys {fingerprint(keys)}. All sites must see these digits: ask "
            "the others by telephone, not through the server."
        )
    return lines


def _is_array(content: Mapping[str, Any]) -> bool:
    return set(content) in ({"shape", "f4"}, {"shape", "f8"}, {"shape", "u8"})


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _range(content: Any) -> str:
    flat = content if isinstance(content, list) else [content]
    numbers = [x for x in flat if isinstance(x, int | float) and not isinstance(x, bool)]
    if not numbers or len(numbers) != len(flat):
        return ""
    low, high = f"{min(numbers):.6g}", f"{max(numbers):.6g}"
    return f", {low}" if low == high else f", from {low} to {high}"


def _shown(content: Any) -> str:
    """All texts of a field, keys alone cut short; what a mapping holds stands in brackets."""
    if isinstance(content, Mapping) and not _is_array(content):
        parts = ((name, _shown(part)) for name, part in sorted(content.items()))
        return ", ".join(f"{name} ({part})" if part else name for name, part in parts)
    if isinstance(content, list | tuple):
        return ", ".join(filter(None, map(_shown, content)))
    if isinstance(content, str) and _KEY.fullmatch(content):
        return f"{content[:8]}… ({len(content)} hexadecimal digits)"
    return content if isinstance(content, str) else ""


def _texts(content: Any) -> Iterator[str]:
    """Texts that a field holds, its own names among them; bytes of arrays are not."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping) and not _is_array(content):
        for name, part in content.items():
            yield name
            yield from _texts(part)
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _texts(part)
