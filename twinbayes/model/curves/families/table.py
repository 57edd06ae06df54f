"""The package's own families; one more is one file more, and a name here."""

from __future__ import annotations

from typing import Final

from twinbayes.model.curves.families.binary import Binary
from twinbayes.model.curves.families.negative_binomial import NegativeBinomial
from twinbayes.model.curves.families.normal import Normal
from twinbayes.model.curves.families.ordinal import Ordinal
from twinbayes.model.curves.families.poisson import Poisson
from twinbayes.model.curves.families.protocol import MarkerFamily
from twinbayes.model.curves.families.student_t import StudentT

FAMILIES: Final[tuple[type[MarkerFamily], ...]] = (
    Normal,
    StudentT,
    Binary,
    Ordinal,
    Poisson,
    NegativeBinomial,
)
