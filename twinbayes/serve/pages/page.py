"""What a page is: its address, whom it is for, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from twinbayes.errors import TwinbayesError
from twinbayes.serve.access import Person, Right
from twinbayes.serve.audit import AuditLog
from twinbayes.serve.explorer import Explorer, Outlook, PatientRow
from twinbayes.serve.language import Language

LONGEST_QUERY: Final = 100  # characters of one field


class RefusedError(TwinbayesError):
    """A page that is not shown; `status` as HTTP has it, `key` of the sentence that says why."""

    def __init__(self, status: int, key: str = "", **values: Any) -> None:
        super().__init__(f"{status} {key}".strip())
        self.status = status
        self.key = key
        self.values = values


@dataclass(frozen=True)
class Reading:
    """What is read, in which language, and whether patients are named.

    Attributes
    ----------
    explorer
        What may be shown.
    language
        Of the reader.
    shows_ids
        Whether the reader may see identifiers.
    """

    explorer: Explorer
    language: Language
    shows_ids: bool

    def name_of(self, row: PatientRow) -> str:
        """What the reader may call a patient."""
        return row.patient_id if self.shows_ids else row.pseudonym

    def state(self, name: str) -> str:
        """A state in words: those of the disease in this language, if it has them."""
        reporting = self.explorer.fit.spec.reporting
        for label in () if reporting is None else reporting.state_labels:
            if label.state == name:
                return dict(label.texts).get(self.language.code) or self.language.name(name)
        return self.language.name(name)


@dataclass(frozen=True)
class Asked(Reading):
    """One request, as pages see it.

    Attributes
    ----------
    audit
        Where views are written down.
    person
        Who asks.
    query, place
        Fields of the address, and its named parts.
    sent
        Fields of a form that was sent; None of a page that is only looked at.
    token
        Seal of the page's form, as it is to be sent back.
    """

    audit: AuditLog
    person: Person
    query: Mapping[str, str]
    place: Mapping[str, str]
    sent: Mapping[str, str] | None = None
    token: str = ""

    def field(self, name: str, default: str = "") -> str:
        """A field of the form that was sent, else of the address.

        Raises
        ------
        RefusedError
            It is too long, or has characters that are not printed.
        """
        text = (self.query if self.sent is None else self.sent).get(name, default).strip()
        if len(text) > LONGEST_QUERY or not text.isprintable():
            raise RefusedError(400)
        return text

    def url(self, path: str, **query: str) -> str:
        """An address within the explorer, in the same language."""
        return f"{path}?{urlencode({**query, 'lang': self.language.code})}"

    def outlook(self, part: str = "patient") -> Outlook:
        """The patient of a part of the address, forecast.

        Raises
        ------
        RefusedError
            Nobody has this pseudonym.
        """
        pseudonym = self.place[part]
        if pseudonym not in self.explorer.by_pseudonym:
            raise RefusedError(404)
        return self.explorer.outlook(pseudonym)


@dataclass(frozen=True)
class Answer:
    """What is answered in place of a template.

    Attributes
    ----------
    content
        What is sent.
    media_type
        What it is.
    status
        As HTTP has it.
    headers
        Further headers; a content security policy among them takes the place of the usual one.
    """

    content: str = ""
    media_type: str = "text/html"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes
    ----------
    name
        In the audit log.
    path
        Its address.
    right
        What the person who asks needs.
    of_patients
        Whether it shows patients: not under a fit that is not for use.
    show
        Returns the name of a template, and its values; `status` among them is what is answered
        where it is not 200, and `headers` are as an `Answer` has them. Or an answer.
    takes_forms
        Whether forms can be sent to it: then with a seal, and nothing of them is written down.
    keeps
        Fields of the address of such a page that a change of language keeps; of others, all.
    stores
        Whether a form may be kept: then the audit log has a line of it before, status 102.
    right_to_send
        What a form needs of the person who sends it; by default `right`.
    listed_as
        Key of the words under which the navigation has it; "" of one that it has not, or that has
        a place of its own there.
    """

    name: str
    path: str
    right: Right
    of_patients: bool
    show: Callable[[Asked], tuple[str, dict[str, Any]] | Answer]
    takes_forms: bool = False
    keeps: tuple[str, ...] = ()
    right_to_send: Right | None = None
    stores: bool = False
    listed_as: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """Of HTTP."""
        return ("GET", "HEAD", "POST") if self.takes_forms else ("GET", "HEAD")

    def needs(self, method: str) -> Right:
        """What the person who asks needs."""
        return self.right_to_send or self.right if method == "POST" else self.right

    def action(self, method: str, section: str = "") -> str:
        """What the audit log says was done: the page was looked at, or its form was sent."""
        name = f"{self.name} {section}".strip()
        return f"{name}: sent" if self.takes_forms and method == "POST" else name
