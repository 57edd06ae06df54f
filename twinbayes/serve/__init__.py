"""The ward explorer: patients, forecasts and what-ifs of one fit, in a browser."""

from __future__ import annotations

from twinbayes.serve.access import LocalAccess, Person, ProxyAccess, Role
from twinbayes.serve.app import create_app
from twinbayes.serve.audit import AuditLog
from twinbayes.serve.explorer import Explorer

__all__ = [
    "AuditLog",
    "Explorer",
    "LocalAccess",
    "Person",
    "ProxyAccess",
    "Role",
    "create_app",
]
