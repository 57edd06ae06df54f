"""What holds for every answer: headers that keep a browser to this page, and limits."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 65_536  # of what is sent
_MINUTES: Final = 30  # that a form may be filled in
_LONGEST_ADDRESS: Final = 2_000
POLICY: Final = "content-security-policy"
USUAL_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {
    POLICY: USUAL_POLICY,  # pages that show pictures of a file have one of their own
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Headers:
    """Add headers to every answer, and refuse what is too large before it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    if name != POLICY or POLICY not in headers:
                        headers[name] = value
            await send(message)

        given = RequestHeaders(scope=scope).get("content-length", "0")
        address = len(scope["path"]) + len(scope["query_string"])
        if not given.isdigit() or int(given[:12]) > MOST_BYTES or address > _LONGEST_ADDRESS:
            await PlainTextResponse("413", 413)(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)


@dataclass(frozen=True, eq=False)
class RateLimit:
    """So many requests of one person a minute.

    Attributes
    ----------
    most
        Requests in any 60 seconds.
    clock
        Seconds.

    Examples
    --------
    >>> limit = RateLimit(2, clock=lambda: 0.0)
    >>> [limit.allows("one") for _ in range(3)], limit.allows("other")
    ([True, True, False], True)
    """

    most: int
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, deque[float]] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def allows(self, name: str) -> bool:
        """Whether one more is allowed; it counts if so."""
        now = self.clock()
        with self._lock:
            seen = self._seen.setdefault(name, deque())
            while seen and seen[0] <= now - 60.0:
                seen.popleft()
            if len(seen) >= self.most:
                return False
            seen.append(now)
            return True


@dataclass(frozen=True, eq=False)
class FormTokens:
    """Seals of forms: what is sent comes from a page that the same person was shown lately.

    Another site can make a browser send a form, but cannot know the seal.

    Attributes
    ----------
    secret
        Of the explorer.
    clock
        Seconds since 1970.

    Examples
    --------
    >>> tokens = FormTokens(b"a secret of the house", clock=lambda: 0.0)
    >>> one = tokens.issue("ward 3", "new person")
    >>> tokens.holds(one, "ward 3", "new person"), tokens.holds(one, "ward 4", "new person")
    (True, False)
    """

    secret: bytes = field(repr=False)
    clock: Callable[[], float] = time.time

    def issue(self, name: str, page: str) -> str:
        """A seal of a page's form for one person, good for 30 minutes."""
        until = int(self.clock()) + 60 * _MINUTES
        return f"{until}.{self._seal(until, name, page)}"

    def holds(self, token: str, name: str, page: str) -> bool:
        """Whether a seal is of this person and page, and not too old."""
        until, _, seal = token.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) <= 12 and seal.isascii()):
            return False
        is_ours = hmac.compare_digest(seal, self._seal(int(until), name, page))
        return is_ours and self.clock() <= int(until)

    def _seal(self, until: int, *bound_to: str) -> str:
        key = hmac.digest(self.secret, b"\0forms", "sha256")  # not the key of pseudonyms
        said = "\n".join((str(until), *bound_to))
        return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()
