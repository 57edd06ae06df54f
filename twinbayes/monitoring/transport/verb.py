"""The verb: a fit and records of a new place in, the fit moved there out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import part_words, size_words
from twinbayes.errors import (
    FitError,
    OptionError,
    TransportWarning,
    require_known,
    require_seed,
)
from twinbayes.inference import Fit, SharedFit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.monitoring.transport.choosing import Chooser, in_order
from twinbayes.monitoring.transport.known import nothing_yet
from twinbayes.monitoring.transport.learning import (
    LEARNS,
    LEVEL,
    Level,
    require_possible,
)
from twinbayes.monitoring.transport.moving import Reweighted, moved
from twinbayes.monitoring.transport.prior import TransportPrior
from twinbayes.monitoring.transport.tally import Exposure
from twinbayes.names import CENTRE, SUBGROUP, TRANSPORT

_LIKE: Final = 0.2  # of a place where the fit has not learnt how places differ


def transport_fit(
    fit: Fit | SharedFit,
    cohort: Cohort,
    *,
    learns: str = LEVEL,
    prior: TransportPrior | None = None,
    order: str | None = None,
    seed: int = 0,
) -> SharedFit:
    """Move a fit to a new centre, trial or era: learn the level of its hazards from its records.

    Parameters
    ----------
    fit
        What is known so far, with or without its patients.
    cohort
        Patients of the new place, none of whom the fit has seen, with late entry or without. They
        are of one place: either all of centres that the fit does not know, which get one level
        together, or all of centres that it knows, all of which are then moved, as to a new era.
    learns
        The most that may be learnt: ``level``; ``slope``, or else one number by which all log
        hazard ratios of covariates and subgroups are multiplied; ``shape``, or else log ratios of
        up to three stretches of time of each transition, on its own clock. More than the level is
        learnt only if it foresees patients who came later clearly better, having seen the first
        third: by 1 or more of the log score.
    prior
        What is thought of the place; default: `TransportPrior()`.
    order
        A covariate of numbers, such as the year, in whose order patients came; default: that of
        their rows.
    seed
        Of the draws of levels. The same seed gives the same fit.

    Returns
    -------
    SharedFit
        Draws of the fit, each as often as the new records bear it out, with hazards at the level of
        the new place. It holds no record, of the fit or of the new place; its manifest says what it
        was made of. Its verdict is that of the fit, unless too few of the draws are left.

    Raises
    ------
    FitError
        Hazards follow curves of markers, or patients have frailties; no patient is of a subgroup
        that the fit knows; the fit has seen some of the patients; or events happened that it gives
        no chance at all.
    OptionError
        An option has no such value, or centres that the fit knows and others are mixed.
    ModelError
        The cohort does not fit the model.

    Warns
    -----
    TransportWarning
        Nothing has happened at the new place yet; it says by how much known centres differ.
        Or patients are left out, since the fit does not know their subgroups.

    Notes
    -----
    Given a draw s of the fit, the events n of a transition are Poisson around E(s) exp(l), where
    E(s) is the sum of cumulative hazards over the time that patients were at risk and l the log
    ratio, with the mixture prior of `TransportPrior`. The draw counts by the likelihood integrated
    over l, and l is drawn from its posterior given s.

    Sources: Schmidli et al. (2014), Biometrics 70, 1023-1032; Debray et al. (2013), Statistics in
    Medicine 32, 3158-3180, for the kinds of recalibration.

    Examples
    --------
    >>> from twinbayes.monitoring import transport_fit
    >>> registry = tb.datasets.simulated_registry()
    >>> people = registry.patients[registry.patients["centre"] == "centre_E"]
    >>> people = people[people["subgroup"].isin(fit.encoding.subgroups)]
    >>> there = transport_fit(fit, registry.select(list(people["patient_id"])))
    >>> there.learnt.encoding.centres
    ('centre_E',)
    """
    if not isinstance(cast(object, fit), Fit | SharedFit):
        raise OptionError(f"transport: a fit of patients is needed, not a {type(fit).__name__}.")
    if not isinstance(cast(object, cohort), Cohort):
        raise OptionError(f"transport: a Cohort is needed, not a {type(cohort).__name__}.")
    require_known(learns, LEARNS, "learns")
    prior = TransportPrior() if prior is None else prior
    if not isinstance(cast(object, prior), TransportPrior):
        raise OptionError(f"prior: give a TransportPrior, not a {type(prior).__name__}.")
    rng = np.random.default_rng(require_seed(seed))
    place = Place.of(fit, cohort)
    exposure = Exposure.of(fit, place.cohort)
    chooser = Chooser(
        exposure, Level(prior, place.like(exposure, prior)), place.hazards,
        in_order(place.cohort, order),
    )  # fmt: skip
    whole, labels = chooser.tally(LEVEL), tuple(fit.spec.graph.labels)
    require_possible(whole, labels)
    if not whole.observed[:, place.hazards].any():
        warnings.warn(TransportWarning(nothing_yet(fit)), stacklevel=3)
    scores = chooser.scores(learns) if learns != LEVEL else {}
    chosen = chooser.chosen(scores)
    model, tally, parts = chooser.learn(chosen)
    weights = Reweighted.of(model.log_evidence(tally))
    taught = model.draw(tally, weights.index, rng)
    told = {
        **place.told(fit, prior),
        "asked": learns,
        "learnt": chosen,
        "scores": scores,
        "seed": int(seed),
        "events": dict(zip(labels, part_words(whole.observed.sum(axis=(0, 2, 3))), strict=True)),
        "pareto_k": None if np.isnan(weights.pareto_k) else weights.pareto_k,
        "effective_draws": weights.ess,
    }
    shared = fit.without_patients()
    return moved(shared, weights, taught, parts, place.hazards, place.centres, told)


@dataclass(frozen=True)
class Place:
    """Patients of a new place.

    Attributes
    ----------
    cohort
        Those of subgroups that the fit knows.
    centres
        Its labels; None where they are those of the fit, which is moved as a whole.
    left_out
        How many are of other subgroups.
    hazards
        (transition,) whether it is a hazard of the disease, and no start of a treatment.
    """

    cohort: Cohort
    centres: tuple[str, ...] | None
    left_out: int
    hazards: np.ndarray

    @classmethod
    def of(cls, fit: Fit | SharedFit, cohort: Cohort) -> Place:
        """Look at a cohort, and refuse what cannot be moved, or where it cannot be moved to."""
        if fit.spec.associations:
            raise FitError(
                f"The hazards of {fit.spec.name!r} follow curves of markers, and what is expected "
                "of a patient would rest on values yet to come. Move a fit without associations, "
                "or refit with the new patients included."
            )
        if fit.spec.events.frailty:
            raise FitError(
                f"Patients of {fit.spec.name!r} have frailties, and a level cannot be told from "
                "counts alone. Refit with the new patients included."
            )
        encoding = fit.learnt.encoding
        known = cohort.patients[SUBGROUP].astype(str).isin(encoding.subgroups).to_numpy()
        if not known.any():
            raise FitError(
                "The fit has learnt nothing of any subgroup of this cohort: it may be of another "
                "disease. Give patients of the subgroups "
                f"{', '.join(map(repr, encoding.subgroups))}."
            )
        left_out = int((~known).sum())
        if left_out:
            warnings.warn(
                TransportWarning(
                    f"{size_words(left_out)} patients of subgroups that the fit does not know are "
                    "left out of what is learnt."
                ),
                stacklevel=4,
            )
            cohort = cohort.select(np.array(cohort.patient_ids)[known].tolist())
        if isinstance(fit, Fit) and (seen := set(fit.cohort.patient_ids) & {*cohort.patient_ids}):
            raise FitError(
                f"The fit has learnt from {size_words(len(seen))} of these patients, known by "
                "their identifiers, and would count them twice. Give the others alone: "
                "cohort.select(...)."
            )
        fit.spec.require_entries(cohort)
        starts = {f"{t.source}->{t.target}" for t in fit.spec.graph.transitions}
        hazards = np.array([x in starts for x in fit.spec.graph.labels])
        return cls(cohort, _place_of(fit, cohort), left_out, hazards)

    def like(self, exposure: Exposure, prior: TransportPrior) -> Floats:
        """(draw, transition) or (1, 1) spread of a place like those that the fit knows."""
        scale = exposure.draws.centre_scale
        if prior.like is not None:
            return np.array([[prior.like]])
        if scale is None or self.centres is None:
            return np.array([[_LIKE]])
        return np.maximum(scale, 1e-3)

    def told(self, fit: Fit | SharedFit, prior: TransportPrior) -> dict[str, Any]:
        """What the manifest says of a move, counts of few people hidden."""
        before: Mapping[str, Any] = fit.manifest
        return {
            "parent": manifest_hash(dict(before)),
            "cohort": self.cohort.fingerprint,
            "centres": None if self.centres is None else list(self.centres),
            "patients": size_words(self.cohort.n_patients),
            "left_out": size_words(self.left_out),
            "prior": asdict(prior),
            **({"before": before[TRANSPORT]} if TRANSPORT in before else {}),
        }


def _place_of(fit: Fit | SharedFit, cohort: Cohort) -> tuple[str, ...] | None:
    """Labels of a new place; None where they are those of the fit."""
    encoding = fit.learnt.encoding
    mine = tuple(dict.fromkeys(cohort.patients[CENTRE].astype(str)))
    new = tuple(c for c in mine if c not in encoding.centres)
    if new and len(new) < len(mine):
        raise OptionError(
            f"transport: {len(new)} of {len(mine)} centres of this cohort are new to the fit, and "
            "the others it knows. Give patients of one place: of new centres alone, or, to move "
            "all centres to a new era, of known ones alone."
        )
    return new or None
