"""What reviews of fits of patients show, each row in one of the twenty sections."""

from __future__ import annotations

from typing import Final

from twinbayes.checks.result import (
    BORROWING,
    CALIBRATION,
    FAIRNESS,
    FURTHER,
    OPERATING,
    PRIOR_PREDICTIVE,
    SCORES,
    SENSITIVITY,
    SHRINKAGE,
    SIMULATION_BASED,
)
from twinbayes.report.html.section import Section
from twinbayes.report.reviewer import checks, conclusions, effects, fit
from twinbayes.report.reviewer.evidence import ReviewEvidence
from twinbayes.report.reviewer.trajectories import trajectories

LEAD: Final = (
    "Everything a reviewer needs to judge one fit: what went in, what came out, and how well it "
    "agrees with the data."
)

REVIEW: Final[tuple[Section[ReviewEvidence], ...]] = (
    Section(number=0, show=fit.verdict),
    Section(
        number=3,
        heading="Data and exclusions",
        prose="Rows in equal rows used and rows listed here. Counts below 5 are suppressed.",
        show=fit.data,
    ),
    Section(number=3, show=fit.sites),
    Section(number=4, heading="Outcome", show=fit.outcome),
    Section(number=4, heading="Predictors", show=fit.predictors),
    Section(
        number=5,
        heading="The model",
        prose="Each arrow between states, and each start of a treatment, has an intensity of its "
        "own.",
        show=fit.model,
    ),
    Section(
        number=6,
        heading="Priors and their evidence",
        prose="What was believed before these data, on which scale, and why.",
        show=fit.priors,
    ),
    Section(
        number=6,
        heading="Prior predictive of state occupation",
        topic=PRIOR_PREDICTIVE,
        prose="Priors that say something absurd about patients are wrong, whatever they say about "
        "parameters.",
        show=fit.prior_predictive,
    ),
    Section(
        number=6,
        heading="Where the effects come from",
        topic=BORROWING,
        prose="Shares of the subgroup's own data, of other subgroups and of the prior in the "
        "posterior mean of each log hazard ratio. Small subgroups borrow most.",
        show=checks.borrowing,
    ),
    Section(
        number=7,
        heading="Diagnostics",
        prose="Whether the chains agree and moved enough. One failure anywhere means not for use.",
        show=checks.diagnostics,
    ),
    Section(
        number=8,
        heading="Calibration by simulation",
        topic=SIMULATION_BASED,
        prose="Whether data simulated from the model give back what they were simulated from.",
        show=checks.verification,
    ),
    Section(number=8, heading="Evidence that was handed in", show=conclusions.handed_in),
    Section(number=9, heading="Baseline hazards", show=effects.baselines),
    Section(
        number=9,
        heading="Covariate effects",
        prose="Hazard ratios of what was known of patients at origin, and how far each was shrunk.",
        show=effects.covariates,
    ),
    Section(
        number=9,
        heading="Shrinkage",
        topic=SHRINKAGE,
        prose="What each subgroup's own data say, beside what the model makes of it with the help "
        "of the others. Small subgroups should move towards 1, large ones should stay.",
        show=checks.shrinkage,
    ),
    Section(number=9, heading="Centres", show=effects.centres),
    Section(
        number=9,
        heading="Treatment effects by subgroup",
        prose="Hazard ratios of patients who have started a treatment against those who have not.",
        show=checks.treatment_effects,
    ),
    Section(
        number=9,
        prose="Effects on outcomes, as asked for: who, against what, on what, until when.",
        show=effects.asked_for,
    ),
    Section(
        number=9,
        heading="Trajectories",
        prose="Repeated measurements as curves, one a patient: whether the model would have "
        "measured the same, and which hazards follow them.",
        show=trajectories,
    ),
    Section(
        number=10,
        heading="Prior sensitivity",
        topic=SENSITIVITY,
        prose="What changes if the priors, or the data, count a little more. Both at once is a "
        "conflict between them; the priors alone, an answer that is mostly the priors'.",
        show=checks.prior_sensitivity,
    ),
    Section(
        number=11,
        heading="Calibration",
        topic=CALIBRATION,
        prose="Predictions are made at origin for every patient, under the registry's own "
        "treatment policy and under draws that have seen how these patients fared, and averaged. "
        "Observed is the Aalen–Johansen estimate, which assumes no "
        "model.",
        show=checks.calibration,
    ),
    Section(
        number=11,
        heading="Scores",
        topic=SCORES,
        prose="How well predictions made at origin tell patients apart, and how close they come. "
        "The draws have seen how these patients fared, except where a score says otherwise.",
        show=checks.scores,
    ),
    Section(number=11, heading="Further evidence", topic=FURTHER, show=checks.further),
    Section(
        number=12,
        heading="Groups of patients",
        topic=FAIRNESS,
        prose="Predicted against observed in each group. Where a group is too small, nothing is "
        "said of it: that is no proof that the model works there.",
        show=checks.fairness,
    ),
    Section(
        number=13,
        heading="Error rates of the rule",
        topic=OPERATING,
        show=checks.operating,
    ),
    Section(number=14, heading="Reports on single patients", show=conclusions.outputs),
    Section(number=15, heading="Limits", show=conclusions.limits),
    Section(number=16, heading="Manifest of the fit", show=conclusions.provenance),
    Section(number=17, heading="What this report keeps back", show=conclusions.privacy),
)
