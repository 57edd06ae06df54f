"""The ward explorer: patients, forecasts and what-ifs of one fit, in a browser."""

from __future__ import annotations

from importlib.util import find_spec

from twinbayes.errors import OptionError

for _package in ("babel", "starlette", "uvicorn"):
    if find_spec(_package) is None:
        raise OptionError(f"The ward explorer needs {_package}: pip install 'twinbayes[serve]'")

# ruff: noqa: E402 - what these need is looked for first
from twinbayes.serve.access import LocalAccess, Person, ProxyAccess, Role
from twinbayes.serve.app import create_app
from twinbayes.serve.audit import AuditLog
from twinbayes.serve.explorer import Explorer, UpdateLog
from twinbayes.serve.workbench.review_page import read_review
from twinbayes.serve.workbench.signatures import SignatureLog
from twinbayes.serve.workbench.workbench import Workbench

__all__ = [
    "AuditLog",
    "Explorer",
    "LocalAccess",
    "Person",
    "ProxyAccess",
    "Role",
    "SignatureLog",
    "UpdateLog",
    "Workbench",
    "create_app",
    "read_review",
]
