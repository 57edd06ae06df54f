"""The sections of a review, in the order in which they are shown."""

from __future__ import annotations

from typing import Final

from twinbayes.checks.result import (
    BORROWING,
    CALIBRATION,
    FURTHER,
    PRIOR_PREDICTIVE,
    SCORES,
    SENSITIVITY,
    SHRINKAGE,
)
from twinbayes.report.html.section import Section
from twinbayes.report.reviewer import checks, effects, fit
from twinbayes.report.reviewer.evidence import ReviewEvidence
from twinbayes.report.reviewer.trajectories import trajectories

LEAD: Final = (
    "Everything a reviewer needs to judge one fit: what went in, what came out, and how well it "
    "agrees with the data."
)

REVIEW: Final[tuple[Section[ReviewEvidence], ...]] = (
    Section(show=fit.verdict),
    Section(
        heading="Data and exclusions",
        prose="Rows in equal rows used and rows listed here. Counts below 5 are suppressed.",
        show=fit.data,
    ),
    Section(show=fit.sites),
    Section(
        heading="The model",
        prose="Each arrow between states, and each start of a treatment, has an intensity of its "
        "own.",
        show=fit.model,
    ),
    Section(
        heading="Priors and their evidence",
        prose="What was believed before these data, on which scale, and why.",
        show=fit.priors,
    ),
    Section(
        heading="Prior predictive of state occupation",
        topic=PRIOR_PREDICTIVE,
        prose="Priors that say something absurd about patients are wrong, whatever they say about "
        "parameters.",
        show=fit.prior_predictive,
    ),
    Section(
        heading="Diagnostics",
        prose="Whether the chains agree and moved enough. One failure anywhere means not for use.",
        show=checks.diagnostics,
    ),
    Section(
        heading="Shrinkage",
        topic=SHRINKAGE,
        prose="What each subgroup's own data say, beside what the model makes of it with the help "
        "of the others. Small subgroups should move towards 1, large ones should stay.",
        show=checks.shrinkage,
    ),
    Section(
        heading="Calibration",
        topic=CALIBRATION,
        prose="Predictions are made at origin for every patient, under the registry's own "
        "treatment policy and under draws that have seen how these patients fared, and averaged. "
        "Observed is the Aalen–Johansen estimate, which assumes no "
        "model.",
        show=checks.calibration,
    ),
    Section(
        heading="Scores",
        topic=SCORES,
        prose="How well predictions made at origin tell patients apart, and how close they come. "
        "The draws have seen how these patients fared, except where a score says otherwise.",
        show=checks.scores,
    ),
    Section(
        heading="Trajectories",
        prose="Repeated measurements as curves, one a patient: whether the model would have "
        "measured the same, and which hazards follow them.",
        show=trajectories,
    ),
    Section(
        heading="Covariate effects",
        prose="Hazard ratios of what was known of patients at origin, and how far each was shrunk.",
        show=effects.covariates,
    ),
    Section(
        heading="Treatment effects by subgroup",
        prose="Hazard ratios of patients who have started a treatment against those who have not.",
        show=checks.treatment_effects,
    ),
    Section(
        prose="Effects on outcomes, as asked for: who, against what, on what, until when.",
        show=effects.asked_for,
    ),
    Section(
        heading="Where the effects come from",
        topic=BORROWING,
        prose="Shares of the subgroup's own data, of other subgroups and of the prior in the "
        "posterior mean of each log hazard ratio. Small subgroups borrow most.",
        show=checks.borrowing,
    ),
    Section(
        heading="Prior sensitivity",
        topic=SENSITIVITY,
        prose="What changes if the priors, or the data, count a little more. Both at once is a "
        "conflict between them; the priors alone, an answer that is mostly the priors'.",
        show=checks.prior_sensitivity,
    ),
    Section(heading="Further evidence", topic=FURTHER, show=checks.further),
    Section(heading="Limits", show=fit.limits),
    Section(heading="Provenance", show=fit.provenance),
)
