"""The sections that every review has, in order, and where each demand comes from.

A section without evidence says NOT PROVIDED, and what would provide it; none is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Demand:
    """What a reviewer asks in one section.

    Attributes
    ----------
    number
        Of the section, from 0.
    heading
        Its heading, without the number.
    slug
        Its part of the anchor.
    asks
        What is asked, in a sentence.
    source
        Guidance that asks it, by its short name.
    provides
        What would provide it where there is no evidence.
    """

    number: int
    heading: str
    slug: str
    asks: str
    source: str
    provides: str

    @property
    def anchor(self) -> str:
        """Stable identifier of the section in the page.

        Examples
        --------
        >>> from twinbayes.report.required.demands import DEMANDS
        >>> DEMANDS[7].anchor
        'section-07-computation'
        """
        return f"section-{self.number:02d}-{self.slug}"

    @property
    def title(self) -> str:
        """Number and heading."""
        return f"{self.number} {self.heading}"


def _demands(*rows: tuple[str, str, str, str, str]) -> tuple[Demand, ...]:
    return tuple(Demand(number, *row) for number, row in enumerate(rows))


_CONTEXT: Final = "Give it as `context=` of `review`, or `--context context.yaml`."
_CHECKS: Final = "Give it as `checks=` of `review`, or `--checks FILE`."

DEMANDS: Final = _demands(
    (
        "Status", "status", "May I use it, for whom not, why, and what is missing?",
        "21 CFR Part 11, EU GMP Annex 11", "A verdict of the fit.",
    ),
    (
        "Question and context of use", "context-of-use",
        "What is it for, who uses it, for which decision, and for what must it not be used?",
        "FDA AI credibility framework steps 1 and 2, ASME V&V 40, EMA",
        f"The author's statement. {_CONTEXT}",
    ),
    (
        "Model risk", "model-risk",
        "How much does the model weigh in the decision, how bad is a wrong one, and how strict was "
        "the evaluation therefore?",
        "FDA AI credibility framework step 3, ISO 14971",
        f"Influence, consequence and the rigour that follows. {_CONTEXT}",
    ),
    (
        "Data", "data",
        "Where are the data from, who is in them and who is not, and what is missing?",
        "TRIPOD+AI, PROBAST+AI", "The cohort behind the fit.",
    ),
    (
        "Outcome and predictors", "outcome-and-predictors",
        "What is predicted from what, since when, in which units, and is it known at that time?",
        "TRIPOD+AI", "The variables table of the cohort.",
    ),
    (
        "Estimand and model", "model",
        "What is estimated, and by which model: formulae, hierarchy, likelihood, censoring?",
        "BARG 1, ICH E9(R1)", "The description of the model.",
    ),
    (
        "Priors", "priors",
        "What was believed before, why, how much does it weigh, and what does it say of patients?",
        "BARG 1, FDA draft guidance on Bayesian methods 2026", "A prior set with its evidence.",
    ),
    (
        "Computation", "computation",
        "Do the draws represent the posterior, and how exact is every reported number?",
        "BARG 2", "Diagnostics of the fit.",
    ),
    (
        "Verification", "verification",
        "Does the software compute what it claims: simulation, reference posteriors, tests?",
        "ASME V&V 40, R Validation Hub",
        f"Simulation-based calibration of this model and design. {_CHECKS}",
    ),
    (
        "Results", "results",
        "What does the model say: baseline hazards, effects, differences, each with its interval?",
        "BARG 3", "Draws of a model with effects.",
    ),
    (
        "Sensitivity", "sensitivity",
        "Which assumption moves a forecast, and how far?",
        "BARG, FDA draft guidance on Bayesian methods 2026",
        "Power scaling, refits under other priors, and fits without borrowing or with other "
        f"handling of missing data. {_CHECKS}",
    ),
    (
        "Validation", "validation",
        "How well do predictions agree with what happened, in patients the model has not seen?",
        "TRIPOD+AI, PROBAST+AI",
        f"Predictions for held-out patients, centres or years. {_CHECKS}",
    ),
    (
        "Fairness", "fairness",
        "For which groups of patients does it work less well, or cannot be told?",
        "TRIPOD+AI", "Calibration by subgroup, sex, age and centre.",
    ),
    (
        "Operating characteristics", "operating-characteristics",
        "Where a rule decides, how often does it decide wrongly?",
        "FDA draft guidance on Bayesian methods 2026",
        f"Simulated trials under the rule, such as those of `twinbayes.trials`. {_CHECKS}",
    ),
    (
        "Outputs for single patients", "patient-outputs",
        "Is each forecast shown with its uncertainty, its support, and who oversees it?",
        "DECIDE-AI, EU AI Act Article 14", f"Human oversight as planned. {_CONTEXT}",
    ),
    (
        "Limitations", "limitations",
        "What failed or deviated, and is the model adequate for its context of use?",
        "FDA AI credibility framework steps 6 and 7",
        f"The author's judgement of adequacy. {_CONTEXT}",
    ),
    (
        "Provenance", "provenance",
        "What was run, on what, with which versions, by whom?",
        "21 CFR Part 11, EU GMP Annex 11", "The manifest of the fit.",
    ),
    (
        "Privacy", "privacy",
        "On which basis are the data used, and what can be learnt of a person from this report?",
        "GDPR, Italian Law 132/2025 Article 8", f"The legal basis. {_CONTEXT}",
    ),
    (
        "Maintenance", "maintenance",
        "Who notices when it no longer holds, and who withdraws it?",
        "EU AI Act, MDR post-market surveillance", f"A plan and a contact. {_CONTEXT}",
    ),
    (
        "Checklists", "checklists",
        "Where in this report does each reporting guideline find its answer?",
        "TRIPOD+AI, BARG, PROBAST+AI, ICH E9(R1)", "The sections above.",
    ),
)  # fmt: skip
