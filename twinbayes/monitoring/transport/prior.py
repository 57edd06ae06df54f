"""What is thought of a new place before its records are seen."""

from __future__ import annotations

from dataclasses import dataclass

from twinbayes.errors import OptionError, is_number, told
from twinbayes.showing import brief


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
class TransportPrior:
    """How a new centre, trial or era may differ from what a fit knows.

    The log ratio of each hazard is normal around 0, independently of the others: with probability
    `agreement` with the spread of places like those that the fit knows, else with another one. A
    few events that contradict the fit then outweigh it, which no single normal prior lets them.

    Attributes
    ----------
    agreement
        Probability, for each transition, that the place is like those that the fit knows.
    like
        Standard deviation of the log ratio if it is; None for what the fit says of its own centres,
        draw by draw, or 0.2 where it has not learnt of several.
    unlike
        Standard deviation if it is not.
    slope
        Standard deviation of the calibration slope around 1, where it is learnt.
    shape
        Standard deviation of the log ratio of each stretch of time to the level, where it is
        learnt.

    Raises
    ------
    OptionError
        `agreement` is no probability, or a standard deviation is not above 0, or above 5.

    Notes
    -----
    A robust meta-analytic-predictive prior: Schmidli et al. (2014), Biometrics 70, 1023-1032.

    Examples
    --------
    >>> from twinbayes.monitoring import TransportPrior
    >>> TransportPrior(agreement=0.5).unlike
    1.0
    """

    agreement: float = 0.8
    like: float | None = None
    unlike: float = 1.0
    slope: float = 0.25
    shape: float = 0.4

    def __post_init__(self) -> None:
        if not is_number(self.agreement) or not 0.0 <= self.agreement <= 1.0:
            raise OptionError(
                f"agreement must be a probability from 0 to 1, not {told(self.agreement)}."
            )
        for name in ("like", "unlike", "slope", "shape"):
            value = getattr(self, name)
            if name == "like" and value is None:
                continue
            if not is_number(value) or not 0.0 < value <= _WIDEST:
                raise OptionError(
                    f"{name} is a standard deviation of log hazards and must be above 0 and at "
                    f"most {_WIDEST:g}, not {told(value)}."
                )


_WIDEST = 5.0
