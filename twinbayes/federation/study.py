"""A study: what all parties agree on before any patient is looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from twinbayes.errors import FederationError, TwinbayesError, require_seed
from twinbayes.federation.likelihood.integrated import require_federable
from twinbayes.federation.message import SERVER, canonical
from twinbayes.inference.files.archive import described_priors, stored_learnt, stored_priors
from twinbayes.model import Learnt, ModelSpec
from twinbayes.priors import PriorSet, chosen_priors
from twinbayes.showing import brief

MINIMUM: Final = 5
"""Patients and events behind what tells of one site alone, at least."""

_FEWEST_DRAWS: Final = 400
_MOST_SITES: Final = 500


@brief
@dataclass(frozen=True)
class Study:
    """What is estimated, under which priors, from whom.

    Parameters
    ----------
    spec
        The model. What patients have of their own, curves of markers or a frailty, sites
        integrate out.
    sites
        Names of the sites: who holds patients.
    priors
        Default: the model's file of the prior library.
    minimum
        Patients and events behind whatever tells of one site alone, at least. Below it a site's
        own deviation from the others is not estimated.
    draws
        Draws of the joint posterior, of four chains together.
    seed
        The same answers under the same seed give the same posterior.

    Raises
    ------
    FederationError
        Fewer than three sites, names that are none or the same, a model that sites cannot answer
        for, or too few draws.

    Examples
    --------
    >>> study = Study(tb.disease("hsct"), ("north", "south", "west"))
    >>> Study.from_dict(study.to_dict()).digest == study.digest
    True
    """

    spec: ModelSpec = field(repr=False)
    sites: tuple[str, ...]
    priors: PriorSet | None = field(default=None, repr=False)
    minimum: int = MINIMUM
    draws: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        require_federable(self.spec)
        object.__setattr__(self, "priors", chosen_priors(self.priors, self.spec.priors))
        object.__setattr__(self, "sites", tuple(self.sites))
        names = self.sites
        bad = [s for s in names if not isinstance(s, str) or not s.isidentifier() or s == SERVER]
        if bad or len(set(names)) < len(names) or not 3 <= len(names) <= _MOST_SITES:
            raise FederationError(
                f"A study has 3 to {_MOST_SITES} sites, each with a name of its own of letters, "
                f"digits and underscores, other than {SERVER!r}: fewer could learn each other's "
                f"numbers. Found {len(names)}: {', '.join(map(repr, names[:10]))}."
            )
        if not isinstance(self.minimum, int) or self.minimum < 0:
            raise FederationError("minimum is a whole number of patients, 5 by default.")
        if not isinstance(self.draws, int) or self.draws < _FEWEST_DRAWS or self.draws % 4:
            raise FederationError(
                f"draws is a multiple of 4, the number of chains, of at least {_FEWEST_DRAWS}."
            )
        require_seed(self.seed)

    @property
    def prior_set(self) -> PriorSet:
        """The priors in force."""
        return chosen_priors(self.priors, self.spec.priors)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, JSON-ready; `from_dict` undoes it."""
        return {
            "spec": self.spec.to_dict(),
            "priors": described_priors(self.prior_set),
            "sites": list(self.sites),
            "minimum": self.minimum,
            "draws": self.draws,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Study:
        """Rebuild a study.

        Raises
        ------
        FederationError
            The data are no study that this version can read.
        """
        try:
            return cls(
                spec=ModelSpec.from_dict(data["spec"]),
                priors=stored_priors({"priors": data["priors"]}),
                sites=tuple(data["sites"]),
                minimum=data["minimum"],
                draws=data["draws"],
                seed=data["seed"],
            )
        except FederationError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, TwinbayesError) as error:
            raise FederationError(
                f"The study cannot be read here: {error}. Use the same version of twinbayes, with "
                "the same types of one's own registered, at all sites."
            ) from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the study, in hexadecimal digits."""
        return hashlib.sha256(canonical(self.to_dict())).hexdigest()


def learnt_from_dict(data: Mapping[str, Any]) -> Learnt:
    """Read what was agreed on, as `described_learnt` writes it.

    Raises
    ------
    FederationError
        The data are none.
    """
    try:
        return stored_learnt(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FederationError(
            "What was agreed on of columns and windows cannot be read. Use the same version of "
            "twinbayes at all sites."
        ) from error
