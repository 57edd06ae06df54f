"""Numbers that follow from a prior's distribution: computed, and stated ones held against them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Final

from twinbayes.errors import PriorError
from twinbayes.priors.density import MIXED, Density
from twinbayes.priors.dossier import ESS_METHODS, Derived
from twinbayes.priors.mixtures.effective_size import effective_sample_size
from twinbayes.priors.mixtures.mixture import NORMAL

TOLERANCE: Final = 0.005
"""Share of a number, or of the standard deviation if larger, by which a stated one may differ."""

_SHOWN: Final = ("q2.5", "q50", "q97.5")
_LEAST_SIZE: Final = 10.0  # effective sample sizes may differ by 0.05 even if they are small


def derive(
    density: Density, *, reference_sd: float | None = None, quantiles: Sequence[str] = _SHOWN
) -> Derived:
    """Compute mean, standard deviation, quantiles and effective sample sizes of a prior.

    Parameters
    ----------
    density
        The distribution.
    reference_sd
        Of a Normal one: standard deviation of one patient; without it, no sample sizes.
    quantiles
        Which, as percentages: ``"q05"``.

    Notes
    -----
    Sample sizes are those of Beta, Normal and Gamma priors (`effective_sample_size`); those that
    do not exist are left out, and so are moments that do not exist.

    Examples
    --------
    >>> derive(Density(distribution="Normal", arguments={"mu": 0.0, "sigma": 2.0})).sd
    2.0
    """
    sizes = {}
    counted = density.distribution in MIXED and (
        MIXED[density.distribution] != NORMAL or reference_sd is not None
    )
    for method in ESS_METHODS if counted else ():
        with contextlib.suppress(PriorError):
            sizes[method] = effective_sample_size(density.as_mixture(reference_sd), method)
    return Derived(
        mean=density.mean if math.isfinite(density.mean) else None,
        sd=density.sd if math.isfinite(density.sd) else None,
        quantiles={name: density.quantile(_share(name)) for name in quantiles},
        ess=sizes,
        reference_sd=reference_sd if sizes and MIXED[density.distribution] == NORMAL else None,
    )


def derived_faults(density: Density, stated: Derived) -> list[str]:
    """Say which stated numbers are not those of the distribution, and what they should be."""
    spread = density.sd if math.isfinite(density.sd) else 0.0
    faults = []
    for key, found, size in (
        ("mean", density.mean, spread),
        ("sd", density.sd, spread),
        *((name, density.quantile(_share(name)), spread) for name in stated.quantiles),
    ):
        said = stated.quantiles.get(key) if key in stated.quantiles else getattr(stated, key)
        if said is not None:
            faults += _differs(key, float(said), found, size)
    for method, said in stated.ess.items():
        try:
            found = effective_sample_size(density.as_mixture(stated.reference_sd), method)
        except PriorError as error:
            faults.append(f"derived ess {method!r}: {error}")
        else:
            faults += _differs(f"ess {method}", float(said), found, _LEAST_SIZE)
    return faults


def _differs(name: str, said: float, found: float, size: float) -> list[str]:
    if math.isfinite(found) and abs(said - found) <= TOLERANCE * max(abs(found), size):
        return []
    return [f"derived {name} is {said:g}, but the distribution has {found:.5g}."]


def _share(name: str) -> float:
    return float(name.removeprefix("q")) / 100
