"""Federation: one posterior over centres whose data stay at home."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinbayes.federation.message import Message
    from twinbayes.federation.posterior import FederatedPosterior, load_federated
    from twinbayes.federation.server import Step, next_step
    from twinbayes.federation.shards import fit_in_shards
    from twinbayes.federation.site import Disclosure, answer
    from twinbayes.federation.study import Study

__all__ = [
    "Disclosure",
    "FederatedPosterior",
    "Message",
    "Step",
    "Study",
    "answer",
    "fit_in_shards",
    "load_federated",
    "next_step",
]

_HOME = {
    "Message": "message",
    "FederatedPosterior": "posterior",
    "load_federated": "posterior",
    "Step": "server",
    "next_step": "server",
    "fit_in_shards": "shards",
    "Disclosure": "site",
    "answer": "site",
    "Study": "study",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: who carries messages needs no statistics."""
    if name not in _HOME:
        raise AttributeError(f"module 'twinbayes.federation' has no attribute {name!r}")
    value = getattr(import_module(f"twinbayes.federation.{_HOME[name]}"), name)
    globals()[name] = value
    return value
