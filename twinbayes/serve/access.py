"""Who asks, and what they may see and do."""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from twinbayes.errors import OptionError

_LONGEST_NAME: Final = 200


class Role(StrEnum):
    """What a person is to the house that runs the explorer.

    Examples
    --------
    >>> [role.value for role in Role]
    ['clinician', 'reviewer', 'statistician']
    """

    CLINICIAN = "clinician"
    REVIEWER = "reviewer"
    STATISTICIAN = "statistician"


class Right(StrEnum):
    """What a page needs of the person who asks for it."""

    PATIENTS = "patients"
    IDENTIFIERS = "identifiers"
    EVIDENCE = "evidence"
    AUDIT = "audit"
    RECORDS = "records"  # to add to them
    SIGN = "sign"


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.CLINICIAN: frozenset({Right.PATIENTS, Right.IDENTIFIERS, Right.EVIDENCE, Right.RECORDS}),
    Role.STATISTICIAN: frozenset({Right.PATIENTS, Right.EVIDENCE, Right.AUDIT, Right.SIGN}),
    Role.REVIEWER: frozenset({Right.EVIDENCE, Right.AUDIT, Right.SIGN}),
}
"""Identifiers and records are for those who treat the patient; others see pseudonyms, and sign."""


@dataclass(frozen=True)
class Person:
    """Who asks.

    Attributes
    ----------
    name
        As the house knows them; it is written into the audit log.
    role
        What they may do.

    Examples
    --------
    >>> Person("ward 3", Role.CLINICIAN).may(Right.IDENTIFIERS)
    True
    >>> Person("a reviewer", Role.REVIEWER).may(Right.PATIENTS)
    False
    """

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        """Whether the role has a right."""
        return right in RIGHTS[self.role]


class Access(Protocol):
    """Tells who asks from the headers of a request."""

    @property
    def is_authenticated(self) -> bool:
        """Whether people have shown who they are; else this machine alone is served."""
        ...

    def person(self, headers: Mapping[str, str]) -> Person | None:
        """The person, None of nobody who is known."""
        ...


@dataclass(frozen=True)
class LocalAccess:
    """Everyone at this machine is one person. Served to this machine alone.

    Examples
    --------
    >>> LocalAccess(Person("me", Role.STATISTICIAN)).person({}).role
    <Role.STATISTICIAN: 'statistician'>
    """

    who: Person
    is_authenticated: bool = False

    def person(self, headers: Mapping[str, str]) -> Person | None:
        """The one person."""
        del headers
        return self.who


@dataclass(frozen=True)
class ProxyAccess:
    """A reverse proxy has authenticated the person, and says so in headers that it alone can set.

    Attributes
    ----------
    secret
        What the proxy sends in `secret_header`: requests that come past it do not know it.
    user_header, role_header, secret_header
        Names of headers.

    Raises
    ------
    OptionError
        The secret has fewer than 16 characters.

    Examples
    --------
    >>> proxy = ProxyAccess("a secret of the proxy")
    >>> who = {"x-user": "dr.a", "x-role": "reviewer"}
    >>> proxy.person({**who, "x-proxy-secret": "a secret of the proxy"})
    Person(name='dr.a', role=<Role.REVIEWER: 'reviewer'>)
    >>> proxy.person(who) is None
    True
    """

    secret: str
    user_header: str = "x-user"
    role_header: str = "x-role"
    secret_header: str = "x-proxy-secret"  # noqa: S105 - the name of a header
    is_authenticated: bool = True

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise OptionError(
                "The secret that the proxy sends must have at least 16 characters: whoever guesses "
                "it can be anybody. Make one with: openssl rand -hex 32"
            )

    def person(self, headers: Mapping[str, str]) -> Person | None:
        """The person that the proxy names; None without its secret, a name, or a known role."""
        given = headers.get(self.secret_header, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.secret.encode()):
            return None
        name, role = _told(headers.get(self.user_header, "")), headers.get(self.role_header, "")
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            return None
        return Person(name, Role(role)) if role in set(Role) else None


def _told(header: str) -> str:
    """A header as it was meant: in UTF-8, which is read as Latin-1 on the way."""
    with suppress(UnicodeError):  # it was Latin-1, or is no header of HTTP
        header = header.encode("latin-1").decode("utf-8")
    return unicodedata.normalize("NFC", header).strip()
