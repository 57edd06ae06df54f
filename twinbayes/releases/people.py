"""Who may sign releases: names, roles and public keys, and when two names are one person's."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from twinbayes.documents import read_yaml
from twinbayes.errors import ReleaseError
from twinbayes.paths import path_of
from twinbayes.showing import brief
from twinbayes.signing import fingerprint

TRUSTED: Final = "twinbayes.trusted/1"
"""Format and version of files of people who count."""

MOST_NAME: Final = 100
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_FIELDS: Final = {"name", "role", "key"}
_SCRIPTS: Final = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC")
# Pairs: a letter of another script, or a digit, and the Latin letter that it looks like. Before
# case is folded, since capitals look otherwise than small letters.
_PAIRS: Final = (
    "АA ВB ЕE КK МM НH ОO РP СC ТT УY ХX ІI ЈJ ЅS аa вb еe кk мm нh оo рp сc тt уy хx іi јj ѕs һh "
    "ԁd ԛq ԝw гr пn ьb ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX αa βb γy εe ηn ιi κk νv οo ρp τt "
    "υu χx ωw ıi łl ŁL øo ØO đd ĐD"
)
_LOOKS_LIKE: Final = str.maketrans({pair[0]: pair[1] for pair in _PAIRS.split()})
_ALIKE: Final = str.maketrans("01i|", "olll")  # folded: I, l and 1, and O and 0


@brief
@dataclass(frozen=True, slots=True)
class Signatory:
    """A person with a public key.

    Attributes
    ----------
    name, role
        As the file of trusted people has them.
    key
        The public key, 64 hexadecimal digits.

    Examples
    --------
    >>> len(Signatory("Author A", "statistician", "ab" * 32).fingerprint)
    39
    """

    name: str
    role: str
    key: str

    @property
    def fingerprint(self) -> str:
        """Eight groups of four digits, to be read aloud."""
        return fingerprint(bytes.fromhex(self.key))

    def is_same_person(self, other: Signatory) -> bool:
        """Whether two are one person, by key or by a name that is the same or looks the same."""
        return self.key == other.key or bool(_looks(self.name) & _looks(other.name))


@brief
@dataclass(frozen=True)
class Trusted:
    """The people whose signatures count.

    Attributes
    ----------
    people
        One for each key; a person may have several, under one name and role.

    Examples
    --------
    >>> author = Signatory("Author A", "statistician", "ab" * 32)
    >>> Trusted((author,)).of_key("ab" * 32).name
    'Author A'
    """

    people: tuple[Signatory, ...]

    def __post_init__(self) -> None:
        for k, one in enumerate(self.people):
            for other in self.people[:k]:
                _require_apart(one, other)

    @cached_property
    def _by_key(self) -> Mapping[str, Signatory]:
        return {one.key: one for one in self.people}

    def of_key(self, key: str) -> Signatory:
        """Who has a public key.

        Raises
        ------
        ReleaseError
            Nobody here.
        """
        if key not in self._by_key:
            raise ReleaseError(
                f"The key {fingerprint(bytes.fromhex(key))} is nobody's in the file of trusted "
                "people. Sign with a key that is in it, or have its keeper add this one."
            )
        return self._by_key[key]


def read_trusted(path: str | os.PathLike[str]) -> Trusted:
    r"""Read the file of people whose signatures count.

    Parameters
    ----------
    path
        YAML: ``format: twinbayes.trusted/1``, and ``people``, a list of ``name``, ``role`` and
        ``key``, the public key as 64 hexadecimal digits. Who may write to this file decides who
        releases: keep it where signatories cannot.

    Raises
    ------
    ReleaseError
        It cannot be read; a key stands there twice; a name cannot be told from another, or stands
        there with two roles.

    Examples
    --------
    >>> from pathlib import Path
    >>> lines = ["format: twinbayes.trusted/1", "people:"]
    >>> lines += ["- {name: Author A, role: statistician, key: " + "ab" * 32 + "}"]
    >>> _ = Path("trusted.yaml").write_text("\n".join(lines))
    >>> [one.name for one in read_trusted("trusted.yaml").people]
    ['Author A']
    """
    place = path_of(path, ReleaseError, "The file of trusted people")
    found = read_yaml(place, ReleaseError)
    people = found.get("people")
    if set(found) != {"format", "people"} or found["format"] != TRUSTED:
        raise ReleaseError(
            f"{place.name}: holds `format: {TRUSTED}` and `people`, and nothing else. Correct it, "
            "or use the version of twinbayes that it is of."
        )
    if not isinstance(people, list) or not people:
        raise ReleaseError(f"{place.name}: `people` is a list of at least one. Add who may sign.")
    try:
        return Trusted(tuple(_signatory(one, k) for k, one in enumerate(people, 1)))
    except ReleaseError as error:
        raise ReleaseError(f"{place.name}: {error}") from error


def _signatory(found: object, k: int) -> Signatory:
    if not isinstance(found, Mapping) or set(found) != _FIELDS:
        raise ReleaseError(f"people, number {k}: has name, role and key, and nothing else.")
    key = found["key"]
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ReleaseError(
            f"people, number {k}: key is a public key of 64 hexadecimal digits, in quotation marks "
            "where they are all numbers. `twinbayes release key` prints it."
        )
    return Signatory(require_name(found["name"], "name"), require_name(found["role"], "role"), key)


def require_name(text: object, what: str) -> str:
    """Return a name or a role that is one line of letters of one script, as it is stored.

    Raises
    ------
    ReleaseError
        It is empty, too long, not in the form NFC, or holds what cannot be seen, or letters of
        several scripts in one word.
    """
    found = require_line(text, what, MOST_NAME)
    for word in found.split():
        scripts = {s for c in word if c.isalpha() for s in _SCRIPTS if _name_of(c).startswith(s)}
        if len(scripts) > 1:
            raise ReleaseError(
                f"{what} {word!r}: letters of several scripts in one word, which look alike. Write "
                "it in one."
            )
    return found


def require_line(text: object, what: str, most: int) -> str:
    """Return text that is one line of what can be seen.

    Raises
    ------
    ReleaseError
        It is no text, empty, too long, not in the form NFC, or holds what cannot be seen.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > most:
        raise ReleaseError(f"{what}: text of 1 to {most} characters. Say it.")
    unseen = [c for c in text if unicodedata.category(c)[0] in "CZ" and c != " "]
    if unseen or text != text.strip() or unicodedata.normalize("NFC", text) != text:
        raise ReleaseError(
            f"{what}: one line without breaks, blanks around it, or characters that cannot be seen "
            f"({', '.join(f'U+{ord(c):04X}' for c in unseen[:3]) or 'or not in the form NFC'}). "
            "Type it anew."
        )
    return text


def _name_of(character: str) -> str:
    return unicodedata.name(unicodedata.normalize("NFKD", character)[0], "")


def _looks(name: str) -> frozenset[str]:
    """Forms of a name that are those of every name that looks the same, or has its words moved."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name))
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    folded = bare.translate(_LOOKS_LIKE).casefold().translate(_LOOKS_LIKE).translate(_ALIKE)
    seen = folded.replace("rn", "m").replace("vv", "w")
    words = re.findall(r"\w+", seen.replace("_", " "))
    return frozenset({"".join(words), "".join(sorted(words))} - {""}) or frozenset({plain})


def _require_apart(one: Signatory, other: Signatory) -> None:
    if one.key == other.key:
        raise ReleaseError(
            f"The key {one.fingerprint} stands there twice. A key is one person's: remove a line."
        )
    if (one.name, one.role) != (other.name, other.role) and one.is_same_person(other):
        raise ReleaseError(
            f"{one.name!r} ({one.role}) and {other.name!r} ({other.role}) would be one person: the "
            "names are the same, or look the same. Give one person one name and role, and two "
            "people names that differ more, such as by a second name."
        )
