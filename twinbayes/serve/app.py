"""The web application: every page behind one gate, every answer written down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from twinbayes.errors import OptionError, StorageError, TwinbayesError
from twinbayes.serve.access import Access, Person, Right
from twinbayes.serve.audit import AuditLog
from twinbayes.serve.explorer import Explorer
from twinbayes.serve.guard import MOST_BYTES, FormTokens, Headers, RateLimit
from twinbayes.serve.language import LANGUAGES, Language, language_of
from twinbayes.serve.pages.audit import AUDIT
from twinbayes.serve.pages.beside import BESIDE
from twinbayes.serve.pages.evidence import EVIDENCE
from twinbayes.serve.pages.newcomer import NEWCOMER
from twinbayes.serve.pages.page import Answer, Asked, Page, RefusedError
from twinbayes.serve.pages.patient import PATIENT
from twinbayes.serve.pages.patients import PATIENTS
from twinbayes.serve.pages.sheet import SHEET
from twinbayes.serve.pages.update import UPDATE
from twinbayes.serve.pages.what_if import WHAT_IF
from twinbayes.serve.rendering import ENVIRONMENT, STYLES
from twinbayes.serve.workbench.pages import workbench_pages
from twinbayes.serve.workbench.workbench import Workbench

PAGES: Final = (PATIENTS, PATIENT, WHAT_IF, BESIDE, UPDATE, SHEET, NEWCOMER, EVIDENCE, AUDIT)
LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_LOG: Final = logging.getLogger("twinbayes.serve")
_NOBODY: Final = "-"
_BEGUN: Final = 102  # Processing, as HTTP has it
_KEPT: Final = (201, 303)
_MOST_FIELDS: Final = 1_000  # of a form
SLOWEST: Final = 30.0  # seconds in which a form has to arrive


@dataclass(frozen=True)
class _Reader:
    """Who reads a page, in which language, and what of its address a change of language keeps."""

    person: Person | None
    language: Language
    kept: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _House:
    """What all pages share."""

    explorer: Explorer
    access: Access
    audit: AuditLog
    language: str
    limit: RateLimit
    tokens: FormTokens
    pages: tuple[Page, ...]
    in_use: Callable[[], None]

    def answer(self, request: Request, page: Page | None, body: bytes | None) -> Response:
        """Show a page to a person who may see it, or say why not; and write it down."""
        kept = {name: text for name, text in request.query_params.items() if name != "lang"}
        if page is None or page.takes_forms:  # what was put into the address by mistake is not
            kept = {k: v for k, v in kept.items() if page is not None and k in page.keeps}
        # What comes twice is of two: the proxy, and somebody who would be another person.
        headers = {k: v for k, v in request.headers.items() if len(request.headers.getlist(k)) == 1}
        person = self.access.person(headers)
        reader = _Reader(person, self.language_of(request), kept)
        try:
            answer = self.shown(request, page, body, reader)
        except RefusedError as refused:
            answer = self.refusal(refused, reader)
        except StorageError:
            _LOG.error("the audit log is not whole, or cannot be read")
            answer = self.refusal(RefusedError(503), reader)
        except TwinbayesError as error:
            seen = person is not None and person.may(Right.IDENTIFIERS)
            answer = self.refusal(RefusedError(422), reader, str(error) if seen else "")
        except Exception as error:
            # Whatever it is, its text may quote a record: the name of its type is all that is kept.
            _LOG.error("a page failed with %s", type(error).__name__)
            answer = self.refusal(RefusedError(500), reader)
        try:
            self.written(request, page, person, answer.status)
        except StorageError:
            _LOG.error("the audit log cannot be written")
            may_be = page is not None and page.stores and request.method == "POST"
            told = "error.maybe_kept" if may_be and answer.status in _KEPT else ""
            answer = self.refusal(RefusedError(503, told), reader)
        return Response(answer.content, answer.status, answer.headers, answer.media_type)

    def shown(
        self, request: Request, page: Page | None, body: bytes | None, reader: _Reader
    ) -> Answer:
        """The page; or `RefusedError`."""
        person = reader.person
        if not self.limit.allows("" if person is None else person.name):
            raise RefusedError(429)
        if person is None:
            raise RefusedError(401)
        if page is None:
            raise RefusedError(404)
        if request.method not in page.methods:
            raise RefusedError(405)
        if not person.may(page.needs(request.method)):
            if page is PATIENTS and request.method == "GET":  # where everybody begins
                return self.elsewhere(reader)
            raise RefusedError(403)
        if page.of_patients and not self.explorer.fit.verdict.usable:
            raise RefusedError(409)
        if page.of_patients:
            self.in_use()
        sent = None
        if request.method == "POST":
            if body is None:
                raise RefusedError(408)
            sent = form_fields(request, body)
            if not self.tokens.holds(sent.get("token", ""), person.name, page.name):
                raise RefusedError(403, "error.expired")
            if page.stores:  # what is kept has a line of the log, whatever happens then
                self.written(request, page, person, _BEGUN)
        asked = Asked(
            self.explorer,
            reader.language,
            person.may(Right.IDENTIFIERS),
            self.audit,
            person,
            reader.kept,
            dict(request.path_params),
            sent,
            self.tokens.issue(person.name, page.name) if page.takes_forms else "",
        )
        found = page.show(asked)
        if isinstance(found, Answer):
            return found
        template, values = found
        values |= {"asked": asked, "page": page.name}
        status, headers = values.pop("status", 200), values.pop("headers", {})
        return Answer(self.rendered(template, reader, values), status=status, headers=headers)

    def elsewhere(self, reader: _Reader) -> Answer:
        """To the first page of those who may not see patients."""
        page = next((p for p in self.pages if p.name == "review"), EVIDENCE)
        return Answer(status=303, headers={"location": f"{page.path}?lang={reader.language.code}"})

    def refusal(self, refused: RefusedError, reader: _Reader, said: str = "") -> Answer:
        """A page that says what is the matter, and what to do."""
        status, key, language = refused.status, f"error.{refused.status}", reader.language
        if f"{refused.key}.heading" in language.strings:
            key = f"{refused.key}.heading"
        role = "" if reader.person is None else language(f"role.{reader.person.role.value}")
        sentences = [language(refused.key, **refused.values)] if refused.key else []
        if said:
            sentences.append(said)
        if f"{key}.help" in language.strings:
            sentences.append(language(f"{key}.help", role=role))
        reasons = self.explorer.fit.verdict.reasons if status == 409 else ()
        values = {"heading": language(key), "sentences": sentences, "reasons": reasons, "page": ""}
        return Answer(self.rendered("refused.html.jinja", reader, values), status=status)

    def rendered(self, template: str, reader: _Reader, values: Mapping[str, Any]) -> str:
        """A template, filled in."""
        fit, person, language = self.explorer.fit, reader.person, reader.language
        return ENVIRONMENT.get_template(template).render(
            t=language,
            languages=[
                (language_of(code), urlencode({**reader.kept, "lang": code})) for code in LANGUAGES
            ],
            person=person,
            may=lambda right: person is not None and person.may(Right(right)),
            words=language.name,
            moment=lambda text: language.moment(datetime.fromisoformat(text)),
            listed=[one for one in self.pages if one.listed_as],
            usable=fit.verdict.usable,
            simulated=fit.cohort.simulated,
            **values,
        )

    def written(
        self, request: Request, page: Page | None, person: Person | None, status: int
    ) -> None:
        """Append what was asked, and what was answered, to the audit log.

        Nobody knows who asks ever more often: the lines before tell, and the disk is not filled.
        """
        if person is None and status == 429:
            return
        # Of an address that leads nowhere nothing is written down: it may hold anything.
        leads = status < 400 and status != _BEGUN
        section = str(request.path_params.get("section", "")) if leads else ""
        named = [str(request.path_params.get(part, "")) for part in ("patient", "other")]
        self.audit.add(
            person,
            _NOBODY if page is None else page.action(request.method, section),
            status=status,
            patient=" ".join(one for one in named if one in self.explorer.by_pseudonym),
            fit=self.explorer.fit_hash,
        )

    def language_of(self, request: Request) -> Language:
        """The language that is asked for, else the first of the browser's that there is."""
        asked = [request.query_params.get("lang", "")]
        accepted = request.headers.get("accept-language", "")[:200]
        asked += [part.split(";")[0].strip()[:2].lower() for part in accepted.split(",")]
        return language_of(next((code for code in asked if code in LANGUAGES), self.language))


async def _body(request: Request) -> bytes | None:
    """What is sent, read as far as one byte beyond what may be; None of who is too slow."""
    body = b""
    try:
        async with asyncio.timeout(SLOWEST):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    break
    except ClientDisconnect:  # half of a form has no seal, and is refused
        return b""
    except TimeoutError:
        return None
    return body[: MOST_BYTES + 1]


def form_fields(request: Request, body: bytes) -> dict[str, str]:
    """The fields of a form.

    Raises
    ------
    RefusedError
        It is too large, no form, or names a field twice.
    """
    if len(body) > MOST_BYTES:
        raise RefusedError(413)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RefusedError(400)
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise RefusedError(400) from error
    if len(dict(pairs)) < len(pairs):
        raise RefusedError(400)
    return dict(pairs)


def create_app(
    explorer: Explorer,
    access: Access,
    audit: AuditLog,
    *,
    language: str = "en",
    hosts: tuple[str, ...] = LOOPBACK,
    most_a_minute: int = 240,
    workbench: Workbench | None = None,
    in_use: Callable[[], None] = lambda: None,
) -> Starlette:
    """Make the application.

    Parameters
    ----------
    explorer
        The patients and the fit.
    access
        Who asks; see `LocalAccess` and `ProxyAccess`.
    audit
        Where every answer is written down. Nothing is shown that cannot be.
    language
        Of people whose browser asks for none that there is.
    hosts
        Names under which the explorer is reached: others are refused.
    most_a_minute
        Requests of one person.
    workbench
        The review of the fit, signatures, and another fit, for the pages of reviewers.
    in_use
        Called before each page of patients: raises where the fit was withdrawn meanwhile.

    Raises
    ------
    OptionError
        People do not show who they are, and a host is not this machine; there is no such
        language; or the review is of another fit.

    Examples
    --------
    >>> app = create_app(explorer, LocalAccess(person), audit)  # doctest: +SKIP
    """
    if not access.is_authenticated and not set(hosts) <= set(LOOPBACK):
        raise OptionError(
            "Without authentication the explorer is for this machine alone. Put a reverse proxy "
            "that authenticates people before it, and use ProxyAccess."
        )
    review = None if workbench is None else workbench.review
    if review is not None and review.fit != explorer.fit_hash:
        raise OptionError(
            "The review is of another fit than the explorer's. Give that of this fit."
        )
    _ = explorer.by_pseudonym  # faults of the cohort are told before anybody waits
    pages = PAGES if workbench is None else (*PAGES, *workbench_pages(workbench))
    house = _House(
        explorer,
        access,
        audit,
        language_of(language).code,
        RateLimit(most_a_minute),
        FormTokens(explorer.secret),
        pages,
        in_use,
    )

    def endpoint(page: Page | None) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            takes = page is not None and page.takes_forms and request.method == "POST"
            body = await _body(request) if takes else b""
            return await run_in_threadpool(house.answer, request, page, body)

        return answered

    def styled(text: str) -> Callable[[Request], Response]:
        return lambda _: Response(text, media_type="text/css")

    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Starlette(
        routes=[
            *(Route(f"/{name}", styled(text)) for name, text in STYLES.items()),
            *(Route(page.path, endpoint(page), methods=every) for page in pages),
            Route("/{rest:path}", endpoint(None), methods=every),
        ],
        middleware=[
            Middleware(Headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=[*hosts], www_redirect=False),
        ],
    )
