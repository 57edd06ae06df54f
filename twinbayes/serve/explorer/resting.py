"""What an answer rests on: patients of the fit who are like this one."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.cohort.quality.suppression import part_words
from twinbayes.effects.estimand import Estimand
from twinbayes.effects.support import UNCHECKED, support_of
from twinbayes.errors import TwinbayesError, TwinError
from twinbayes.names import DAYS_PER_YEAR, SUBGROUP
from twinbayes.report.patient.scenarios import Pair
from twinbayes.twin import Twin

_YEARS: Final = (1, 3, 5)


def support_of_pair(twin: Twin, pair: Pair, until: float) -> tuple[str, tuple[int, int] | None]:
    """How the fit's data bear on two ways of treating one patient.

    Parameters
    ----------
    twin
        Of one patient.
    pair
        The two ways.
    until
        Days from the landmark that are compared.

    Returns
    -------
    tuple of str and tuple
        A flag of `twinbayes.effects.support`, for the endpoint death; and how many of the fit's
        patients of the subgroup were treated the one way and the other from the same state and
        day on, None where it was not checked.
    """
    try:
        reading = Estimand(a=pair[0], b=pair[1], times=until).reading(twin.spec.graph)
        (row,) = support_of(twin, reading).table.to_dict("records")
    except TwinbayesError:  # such as two ways of which the estimand knows no name
        return UNCHECKED, None
    if "n_treated" not in row:
        return str(row["support"]), None
    return str(row["support"]), (int(row["n_treated"]), int(row["n_untreated"]))


def similar_patients(twin: Twin) -> list[tuple[str, float, str]]:
    """Patients of the fit who are like one patient, counted in steps, each among those before.

    Parameters
    ----------
    twin
        Of one patient, by a fit.

    Returns
    -------
    list of tuple
        What they share, as a key of the catalogue; a number that belongs to it; and how
        many there are, as it may be shown. After the first number that may not be shown comes none.

    Raises
    ------
    TwinError
        The twin is of no fit, so that it rests on nobody who could be counted.
    """
    seen, present = twin.seen, twin.present[0]
    if seen is None:
        raise TwinError("Only the twin of a fit rests on patients who can be counted.")
    cohort = seen.cohort
    group = str(twin.cohort.patients[SUBGROUP].iloc[0])
    groups = cohort.patients[SUBGROUP].astype(str).to_numpy()
    followed = np.zeros(len(groups))
    ever, then = (np.zeros(len(groups), dtype=bool) for _ in range(2))
    for episode in seen.histories(twin.spec.graph).episodes:
        followed[episode.patient] = max(followed[episode.patient], episode.stop)
        if episode.state == present.state:
            ever[episode.patient] = True
            then[episode.patient] |= episode.start <= present.day <= episode.stop
    names = [*dict.fromkeys(groups)]
    sizes = part_words([float(np.sum(groups == name)) for name in names])
    shown = dict(zip(names, sizes, strict=True)).get(group, "0")
    found, among = [("similar.subgroup", 0.0, shown)], groups == group
    steps = [("similar.ever", 0.0, ever), ("similar.then", present.day, then)]
    steps += [
        ("similar.further", float(y), followed >= present.day + y * DAYS_PER_YEAR) for y in _YEARS
    ]
    for name, number, mask in steps:
        if not shown.isdigit():
            break
        n, of = int(np.sum(among & mask)), int(np.sum(among))
        shown = part_words([n, of - n])[0]
        among = among & mask
        found.append((name, number, shown))
    return found
