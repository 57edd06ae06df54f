"""A small registry behind the explorer, and a browser without a network."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette

from served_pages import Text
from small_review import small_review
from twinbayes.inference import Fit
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.serve import AuditLog, Explorer, Person, ProxyAccess, Role, create_app
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.workbench.signatures import SignatureLog
from twinbayes.serve.workbench.workbench import workbench_of

SECRET = "what a proxy of tests sends"  # noqa: S105 - of tests


@dataclass(frozen=True)
class Site:
    """An application, its audit log, and requests to it."""

    app: Starlette
    explorer: Explorer
    audit: AuditLog
    secret: str = SECRET

    def get(
        self, path: str, role: str = "clinician", method: str = "GET", **options: Any
    ) -> httpx.Response:
        """Ask as somebody whom the proxy has authenticated; as nobody where there is no role."""
        given = httpx.Headers(options.pop("headers", {}))
        given.setdefault("host", "localhost")
        if role:
            given.update({"x-proxy-secret": SECRET, "x-user": f"one {role}", "x-role": role})

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
                return await one.request(method, path, headers=given, **options)

        return asyncio.run(asked())


@pytest.fixture(scope="session")
def shown_fit(registry_fit: Fit) -> Fit:
    """The short fit of the registry, as if it had passed the gate."""
    return replace(registry_fit, verdict=Verdict(True, (), pd.DataFrame(), {}))


@pytest.fixture(scope="session")
def shared_explorer(shown_fit: Fit) -> Explorer:
    """The registry's patients."""
    return Explorer(shown_fit, shown_fit.cohort, b"a secret of tests of the explorer")


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., Site]:
    """Build a site around an explorer."""

    def make(explorer: Explorer, **options: Any) -> Site:
        audit = AuditLog.begin(tmp_path / "audit.jsonl")
        return Site(create_app(explorer, ProxyAccess(SECRET), audit, **options), explorer, audit)

    return make


@pytest.fixture
def site(shared_explorer: Explorer, make_site: Callable[..., Site]) -> Site:
    """The explorer of the registry."""
    return make_site(shared_explorer)


@pytest.fixture(scope="session")
def treatable(shared_explorer: Explorer) -> PatientRow:
    """A patient alive, whom a treatment of the model can still be given."""
    for row in shared_explorer.rows:
        twin = shared_explorer.fit.twin(row.patient_id)
        if not row.has_ended and shared_explorer.treatments(twin):
            return row
    raise LookupError("nobody")


@pytest.fixture(scope="session")
def another(shared_explorer: Explorer, treatable: PatientRow) -> PatientRow:
    """Somebody else alive."""
    return next(r for r in shared_explorer.rows if not r.has_ended and r is not treatable)


@pytest.fixture
def person() -> Person:
    """Somebody of the ward."""
    return Person("ward 3", Role.CLINICIAN)


@dataclass(frozen=True)
class Bench:
    """A site with a workbench, and what its files are."""

    site: Any
    review: Path
    signatures: Path

    def get(self, path: str, role: str = "reviewer", **options: Any) -> httpx.Response:
        answer: httpx.Response = self.site.get(path, role, **options)
        return answer

    def form(self, section: str, role: str = "reviewer") -> dict[str, str]:
        """The hidden fields of a section's form."""
        page = self.get(f"/review/sections/{section}", role).text
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))

    def send(self, section: str, role: str, form: dict[str, str], **said: str) -> httpx.Response:
        address = f"/review/sections/{section}"
        return self.get(address, role, method="POST", data={**form, **said})

    def sign(self, section: str, meaning: str, role: str = "reviewer", **said: str) -> Any:
        form = self.form(section, role)
        return self.send(section, role, form, meaning=meaning, **said)

    def lines(self) -> list[dict[str, Any]]:
        return SignatureLog(self.signatures).records()

    def open_items(self) -> list[list[str]]:
        return [[c.strip() for c in row] for row in Text(self.get("/review/open").text).rows[1:]]


@pytest.fixture
def make_bench(
    shared_explorer: Explorer, make_site: Callable[..., Any], tmp_path: Path
) -> Callable[..., Bench]:
    """Serve a review; a second time on the same files."""

    def make(limits: str = "The data are simulated.", **options: Any) -> Bench:
        (tmp_path / "audit.jsonl").unlink(missing_ok=True)
        (tmp_path / "audit.jsonl.head").unlink(missing_ok=True)
        review = small_review(tmp_path / "review.html", shared_explorer.fit_hash, limits=limits)
        signatures = tmp_path / "signatures.jsonl"
        bench = workbench_of(shared_explorer.fit, review, signatures, options.pop("other", None))
        return Bench(make_site(shared_explorer, workbench=bench, **options), review, signatures)

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A review that nobody has signed."""
    return make_bench()
