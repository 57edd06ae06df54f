"""Federation: one posterior over centres whose data stay at home."""

from twinbayes.federation.message import Message
from twinbayes.federation.posterior import FederatedPosterior, load_federated
from twinbayes.federation.server import Step, next_step
from twinbayes.federation.site import Disclosure, answer
from twinbayes.federation.study import Study

__all__ = [
    "Disclosure",
    "FederatedPosterior",
    "Message",
    "Step",
    "Study",
    "answer",
    "load_federated",
    "next_step",
]
