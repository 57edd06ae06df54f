"""An entry of what experts said: distribution, derived numbers, and the statements themselves."""

from __future__ import annotations

from collections.abc import Sequence

from twinbayes.errors import require_known
from twinbayes.priors.derived import derive
from twinbayes.priors.dossier import Derived, Elicitation, Expert
from twinbayes.priors.elicitation.elicit import ELICITED, combine, fit_expert, largest_miss
from twinbayes.priors.entry import PriorEntry
from twinbayes.priors.evidence import Evidence

_RATIONALE = "What the experts said, as a distribution of the family chosen for the scale."


def elicited_entry(
    name: str,
    family: str,
    method: str,
    experts: Sequence[Expert],
    *,
    protocol: str,
    parameter: str,
    scale: str,
    population: str,
    unit: str = "1",
    pooling: str = "linear",
    rationale: str = "",
) -> PriorEntry:
    """Make an entry of status ``evidence`` from what experts said.

    Parameters
    ----------
    name
        Its name.
    family, method
        Distribution and way of asking, as in `elicit`.
    experts
        Their statements, by role.
    protocol
        How they were asked, and where that is written down: the source of the evidence.
    parameter, scale, population, unit, rationale
        As in `PriorEntry`.
    pooling
        ``"linear"`` or ``"logarithmic"``; it counts as soon as there are two experts.

    Raises
    ------
    PriorError, OptionError
        As `elicit`.
    """
    several = len(experts) > 1
    said = Elicitation(
        protocol=protocol, method=method, experts=tuple(experts), pooling=pooling * several
    )
    require_known(family, ELICITED, "family for elicitation")
    fits = [fit_expert(expert, method, family) for expert in said.experts]
    density = combine(said, family, fits)
    miss = max(
        largest_miss(expert, method, family, fit)
        for expert, fit in zip(said.experts, fits, strict=True)
    )
    pooled = f"; {pooling} pool" if several else ""
    statement = (
        f"{method} of {', '.join(expert.role for expert in experts)}{pooled}. The fitted "
        f"probabilities differ from the stated ones by at most {miss:.2g}."
    )
    return PriorEntry(
        name=name,
        distribution=family,
        arguments=density.arguments,
        mixture=density.mixture,
        parameter=parameter,
        scale=scale,
        unit=unit,
        population=population,
        rationale=rationale.strip() or _RATIONALE,
        evidence=(Evidence(kind="expert", statement=statement, source=protocol),),
        status="evidence",
        derived=_short(derive(density), counted=family == "Beta"),
        elicitation=said,
    )


def _short(derived: Derived, *, counted: bool) -> Derived:
    """Round to four digits, as people write numbers.

    Sample sizes are kept of probabilities alone: of others nobody said what one patient tells.
    """

    def cut(value: float) -> float:
        return float(f"{value:.4g}")

    return Derived(
        mean=None if derived.mean is None else cut(derived.mean),
        sd=None if derived.sd is None else cut(derived.sd),
        quantiles={key: cut(value) for key, value in derived.quantiles.items()},
        ess={key: cut(value) for key, value in derived.ess.items() if counted},
    )
