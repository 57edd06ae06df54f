"""One file a source format: published files in, a validated cohort out."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from twinbayes.cohort.adapters.amlsg import read_amlsg
from twinbayes.cohort.adapters.cml import read_cml
from twinbayes.cohort.adapters.ebmt import read_ebmt3, read_ebmt4
from twinbayes.cohort.adapters.pbc import read_pbc2
from twinbayes.cohort.record import Cohort

#: Adapter by name; each takes the place of its files, or None for its own source.
ADAPTERS: Final[Mapping[str, Callable[[Path | None], Cohort]]] = {
    "amlsg": read_amlsg,
    "cml": read_cml,
    "ebmt3": read_ebmt3,
    "ebmt4": read_ebmt4,
    "pbc2": read_pbc2,
}
