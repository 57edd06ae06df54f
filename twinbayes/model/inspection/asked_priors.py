"""Which priors a model asks for, and which entry answers."""

from __future__ import annotations

import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.model.assemble import reassemble, require_spec
from twinbayes.model.spec import ModelSpec
from twinbayes.priors import PriorSet, chosen_priors
from twinbayes.priors.files.names import origin_of
from twinbayes.priors.prior_tags import recorded_use


def asked_priors(spec: ModelSpec, cohort: Cohort, priors: PriorSet | None = None) -> pd.DataFrame:
    """List every prior that a model asks for, with the entry that answers.

    Parameters
    ----------
    spec
        The model.
    cohort
        Its patients: what is asked for depends on their subgroups, covariates and markers.
    priors
        Default: those of the disease.

    Returns
    -------
    DataFrame
        One row an answer. `prior` and `of`, what the entry is asked for: a transition, a covariate
        group, a marker, empty for the whole; `entry`, the name of the one that answers;
        `distribution`; `shared`, whether one entry answers for several of them, none of which has
        one of its own; `origin`: ``library``, ``own`` or ``overridden``.

    Raises
    ------
    ModelError
        The cohort does not fit the model.
    PriorError
        A prior that the model asks for has no entry.

    Examples
    --------
    >>> spec, cohort = tb.disease("registry"), tb.datasets.simulated_registry()
    >>> table = asked_priors(spec, cohort)  # doctest: +SKIP
    >>> table.query("prior == 'baseline_level'")["origin"].unique().tolist()  # doctest: +SKIP
    ['library']
    """
    require_spec(spec, ModelSpec)
    priors = chosen_priors(priors, spec.priors)
    with recorded_use() as use:
        reassemble(spec, spec.plan(cohort), priors)
    rows = []
    for stem, qualifiers in sorted(use.asked.items()):
        for of in sorted(qualifiers) or [""]:
            entry = priors.get_entry(stem, of or None)
            rows.append(
                {
                    "prior": stem,
                    "of": of,
                    "entry": entry.name,
                    "distribution": entry.text(),
                    "shared": entry.name == stem and len(qualifiers) > 1,
                    "origin": origin_of(priors, entry.name),
                }
            )
    columns = ["prior", "of", "entry", "distribution", "shared", "origin"]
    return pd.DataFrame(rows, columns=columns)
