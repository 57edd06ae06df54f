"""Sections of a review of aggregate data: estimates, exchangeability, borrowing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.checks.borrowing.shares import aggregate_borrowing
from twinbayes.checks.result import BORROWING
from twinbayes.errors import TwinbayesError
from twinbayes.inference import AggregateFit, fit
from twinbayes.model.pooling.table import pooling_of
from twinbayes.report.figures.borrowing import estimates as estimates_picture
from twinbayes.report.figures.borrowing import shares
from twinbayes.report.figures.look import words
from twinbayes.report.html import fragments as f
from twinbayes.report.html.section import Section
from twinbayes.report.required.first_screen import Judged
from twinbayes.report.required.gate import gate_block
from twinbayes.report.reviewer.fit import priors_of, provenance_words

_LABELS = {
    "response": "Probability of response",
    "mean": "Mean, in the unit of the data",
    "rate": "Events per unit of time",
    "log_hazard_ratio": "Log hazard ratio",
}
_NOT_FOR: Final = (
    "Single patients: the data are sums over subgroups, and so is what the model says.",
    "Subgroups that do not belong with these: that they are exchangeable is assumed, and no result "
    "was held out.",
)


@dataclass(frozen=True, eq=False)
class AggregateEvidence:
    """What a review knows of a fit of aggregate data.

    Attributes
    ----------
    fit
        The fit under review.
    alternatives
        Fits of the same data without pooling, and with complete pooling.
    borrowing
        The check of where estimates come from.
    interval
        Probability of posterior intervals, which are equal-tailed.
    """

    fit: AggregateFit
    alternatives: dict[str, AggregateFit]
    borrowing: CheckResult
    interval: float

    @property
    def judged(self) -> Judged:
        """What the first screen has to know."""
        verdict = self.fit.verdict
        return Judged(verdict.usable, verdict.reasons, not_for=_NOT_FOR)

    @property
    def marks(self) -> tuple[str, ...]:
        """Words that every picture of this fit carries."""
        return () if self.fit.verdict.usable else ("NOT FOR USE",)


def collect_aggregate(found: AggregateFit, *, interval: float = 0.9) -> AggregateEvidence:
    """Compute the evidence of a review; fits the data twice more, without and with full pooling."""
    alternatives = {}
    if not found.spec.covariates:
        for kind in ("none", "complete"):
            spec = replace(found.spec, pooling=pooling_of(kind))
            alternatives[kind] = fit(
                spec, found.data, priors=found.priors, seed=1, progressbar=False
            )
    try:
        borrowing = aggregate_borrowing(found)
    except TwinbayesError as error:
        borrowing = CheckResult.not_provided("borrowing", str(error), topic=BORROWING)
    return AggregateEvidence(found, alternatives, borrowing, interval)


def verdict(evidence: AggregateEvidence) -> f.Block:
    """Return what the gate measured, and what is under review."""
    return gate_block(evidence.fit.verdict, evidence.fit.manifest)


def data(evidence: AggregateEvidence) -> f.Block:
    """Return the results that went in, and what was there and did not."""
    aggregate = evidence.fit.data
    unused = [c for c in aggregate.covariates if c not in evidence.fit.spec.covariates]
    about = {
        "data": aggregate.name,
        "outcome": words(aggregate.outcome),
        "subgroups": len(aggregate.subgroups),
        "rows": len(aggregate.table),
        "covariates not in the model": ", ".join(unused) or "none",
        "columns not read": ", ".join(aggregate.not_read) or "none",
    }
    return f.block(f.pairs(about), f.folded("All rows", f.table(aggregate.table)))


def model(evidence: AggregateEvidence) -> f.Block:
    """Return the model in words."""
    return f.preformatted(evidence.fit.spec.describe())


def priors(evidence: AggregateEvidence) -> f.Block:
    """Return the priors with their reasons."""
    found = evidence.fit
    frame = priors_of(found)
    shown = ["prior", "distribution", "q05", "q95", "unit", "rationale", "status"]
    return f.block(
        f.paragraph(f"Prior set {found.priors.label}. {provenance_words(frame)}"),
        f.table(frame[[*shown, "from", "in the model"]]),
    )


def diagnostics(evidence: AggregateEvidence) -> f.Block:
    """Return R-hat and effective sample sizes, variable by variable."""
    table = evidence.fit.verdict.table
    if table.empty:
        return f.not_provided("The fit has no recorded diagnostics.")
    return f.table(table.reset_index(drop=True), caption="Worst entry of each variable")


def estimates(evidence: AggregateEvidence) -> f.Block:
    """Return the estimate of every subgroup, alone and with what was borrowed."""
    found, level = evidence.fit, evidence.interval
    if found.spec.covariates:
        return f.not_provided("The model has covariates: read the coefficients in the fit.")
    table = found.table(level)
    interval = str(table.attrs["interval"])
    new: tuple[float, ...] = ()
    if found.spec.pooling.reaches_new_subgroups:
        drawn = found.new_subgroup().to_numpy()
        ends = pd.Series(drawn.ravel()).quantile([0.5 - level / 2, 0.5 + level / 2])
        new = (float(drawn.mean()), *map(float, ends))
    for kind, alternative in evidence.alternatives.items():
        table[f"mean under {kind} pooling"] = alternative.table(level)["mean"]
    picture = estimates_picture(
        table, label=_LABELS[found.spec.outcome], interval=interval, new=new
    )
    return f.block(
        picture.marked(*evidence.marks).backed(table.reset_index()),
        f.table(table.reset_index(), caption=f"Intervals: {interval}"),
    )


def exchangeability(evidence: AggregateEvidence) -> f.Block:
    """Return the probability that each subgroup belongs with the others."""
    try:
        table = evidence.fit.exchangeability
    except TwinbayesError as error:
        return f.not_provided(str(error))
    return f.table(table, formats={"probability": f.percent})


def borrowing(evidence: AggregateEvidence) -> f.Block:
    """Return where every estimate comes from."""
    check = evidence.borrowing
    if check.table.empty:
        return f.block(f.check(check))
    picture = shares(check.table, of_what="the estimates of the subgroups")
    picture = picture.marked(*evidence.marks).backed(check.published.table)
    return f.block(picture, f.check(check))


def next_prior(evidence: AggregateEvidence) -> f.Block:
    """Return what the fit says of the next subgroup, as a prior to be used elsewhere."""
    try:
        found = evidence.fit.prior_for_new_subgroup()
    except TwinbayesError as error:
        return f.not_provided(str(error))
    mixture = found.mixture
    parts = pd.DataFrame(
        {"weight": mixture.weights, "first": mixture.first, "second": mixture.second}
    )
    return f.block(
        f.paragraph(f"A mixture of {len(parts)} {mixture.kind} distributions, by weight."),
        f.table(parts),
    )


def provenance(evidence: AggregateEvidence) -> f.Block:
    """Return what was run, on what, with which versions."""
    manifest = evidence.fit.manifest
    known = {k: v for k, v in sorted(manifest.items()) if isinstance(v, str | int | float)}
    priors = ", ".join(manifest["prior_ids"])
    return f.pairs({words(k): v for k, v in known.items()} | {"priors": priors})


LEAD: Final = (
    "A basket trial or historical controls: what each subgroup's own data say, what the model "
    "makes of them, and where its answers come from."
)

BASKET_REVIEW: Final[tuple[Section[AggregateEvidence], ...]] = (
    Section(number=0, show=verdict),
    Section(number=3, heading="Results that went in", show=data),
    Section(number=5, heading="The model", show=model),
    Section(number=6, heading="Priors", show=priors),
    Section(
        number=6,
        heading="Exchangeability",
        prose="How probable it is, given the data, that a subgroup belongs with the others.",
        show=exchangeability,
    ),
    Section(
        number=6,
        heading="Where the estimates come from",
        topic=BORROWING,
        prose="Shares of the subgroup's own data, of the other subgroups, and of the prior in each "
        "estimate. A conflict is a result that would be a surprise in a new subgroup.",
        show=borrowing,
    ),
    Section(number=7, heading="Diagnostics", show=diagnostics),
    Section(
        number=9,
        heading="Estimates",
        prose="Each subgroup alone, and with what it borrows; beside them what complete pooling "
        "and none at all would say.",
        show=estimates,
    ),
    Section(number=9, heading="A prior for the next subgroup", show=next_prior),
    Section(number=16, heading="Manifest of the fit", show=provenance),
)
