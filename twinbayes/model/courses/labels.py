"""Labels: how people read states, in place of the names that a description gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twinbayes.errors import ModelError
from twinbayes.model.storing.typed import typed
from twinbayes.spelling import nearest

ENGLISH: Final = "en"
LONGEST_LABEL: Final = 60  # characters
#: Characters that a label does not have: those of HTML, Markdown and formulae.
MARKUP: Final = "<>&`*_$\\"
#: A tag of BCP 47, such as ``it`` or ``pt-BR``, as a regular expression.
LANGUAGE: Final = "[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class StateLabel:
    """What people read where a state is meant, such as ``"in remission"``.

    It stands alone, in the legend of a picture, and after a number of people: 12 in remission.

    Parameters
    ----------
    state
        Name of the state.
    text
        The label in English, or pairs of a language (``"en"``, ``"it"``, ``"pt-BR"``) and the label
        in it, English among them.

    Raises
    ------
    ModelError
        A label is empty, long, not one line or has markup; a language is none, is there twice, or
        English is not.
    """

    state: str
    text: str | tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        named = [language for language, _ in self.texts]
        for language in named:
            if not re.fullmatch(LANGUAGE, language):
                raise ModelError(
                    f"The label of {self.state!r}: {language[:20]!r} is no language. Give the tag "
                    "of one, such as 'en', 'it' or 'pt-BR'."
                )
            if named.count(language) > 1:
                raise ModelError(
                    f"The label of {self.state!r}: {language!r} is there twice. Give one label for "
                    "each language."
                )
        if ENGLISH not in named:
            others = ", ".join(map(repr, named)) or "none"
            raise ModelError(
                f"The label of {self.state!r} is there in {others}, and English is what is shown. "
                f"Add {ENGLISH!r}."
            )
        for language, text in self.texts:
            if (problem := _problem(text)) is not None:
                where = f" in {language!r}" if len(named) > 1 else ""
                raise ModelError(f"The label of {self.state!r}{where} {problem}")

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Pairs of a language and the label in it."""
        return ((ENGLISH, self.text),) if isinstance(self.text, str) else self.text

    @property
    def english(self) -> str:
        """The label in English, which is the one shown."""
        return dict(self.texts)[ENGLISH]


def name_words(state: str) -> str:
    """The name of a state as it stands alone: ``death in remission``."""
    return state.replace("_", " ").strip()


def place_words(state: str) -> str:
    """Where a patient is who is in a state: ``in remission``, ``dead after relapse``."""
    text = name_words(state)
    if text == "death":
        return "dead"
    if text.startswith("death "):
        return "dead " + text.removeprefix("death ")
    first = text.partition(" ")[0]
    if text == "dead" or first == "in" or first.endswith("ed"):  # recovered, transplanted, relapsed
        return text
    return f"in {text}"


def among(states: Sequence[str], labels: Mapping[str, str]) -> str:
    """Say in which states somebody is: ``in remission or relapse``.

    Parameters
    ----------
    labels
        State → how people read it; other states stay as they are.
    """
    if not set(states) & set(labels):
        return f"in {' or '.join(states)}"
    return " or ".join(labels.get(s, f"in {s}") for s in states)


def label_faults(
    labels: Sequence[StateLabel], states: Sequence[str]
) -> Iterator[tuple[StateLabel, str]]:
    """What is wrong with labels beside the states of a model: each with its rule and remedy.

    Parameters
    ----------
    labels
        Each a label of its own.
    states
        All states of the model; those without a label are read by their name.
    """
    known, labelled = ", ".join(map(repr, states)), [label.state for label in labels]
    read: dict[tuple[str, str], str] = {}
    for state in states:
        if state not in labelled:
            read |= {(ENGLISH, _folded(w(state))): state for w in (name_words, place_words)}
    for k, label in enumerate(labels):
        if label.state not in states:
            near = nearest(label.state, states)
            meant = "." if near is None else f"; did you mean {near!r}?"
            yield label, f"Unknown state {label.state[:64]!r} has a label. Known: {known}{meant}"
            continue
        if label.state in labelled[:k]:
            yield label, f"The state {label.state!r} has two labels. Leave out one."
            continue
        for language, text in label.texts:
            other = read.setdefault((language, _folded(text)), label.state)
            if other != label.state:
                yield (
                    label,
                    f"The states {other!r} and {label.state!r} are both read as {text!r}, so "
                    "nobody could tell them apart. Give each a label of its own.",
                )


def _problem(text: str) -> str | None:
    """Why a text can be no label, with the remedy; None where it can."""
    if not text.strip():
        return "is empty. Give words, or leave the label out: the name of the state is shown."
    if not text.isprintable():
        return (
            "has a line break, a tab or another character that is not printed. Give plain text in "
            "one line."
        )
    if text != text.strip():
        return "begins or ends with a blank. Remove it."
    if len(text) > LONGEST_LABEL:
        return (
            f"has {len(text)} characters; legends of pictures have room for {LONGEST_LABEL}. "
            "Shorten it."
        )
    if found := [c for c in MARKUP if c in text]:
        return f"has {' '.join(found)}, and labels have no markup. Give plain text."
    return None


def _folded(text: str) -> str:
    """A text as people compare it: blanks and capitals do not tell two apart."""
    return " ".join(text.split()).casefold()
