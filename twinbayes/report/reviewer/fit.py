"""Sections of a review about what was fitted: verdict, data, model, priors, limits, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from twinbayes.checks.result import (
    CALIBRATION,
    FURTHER,
    OUT_OF_SAMPLE,
    PRIOR_PREDICTIVE,
    SCORES,
    SIMULATION_BASED,
)
from twinbayes.checks.suppression import ways_of
from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import HIDDEN, part_words
from twinbayes.inference import AggregateFit, Fit, Verdict
from twinbayes.inference.densities.log_prior import used_priors
from twinbayes.inference.gate.verdict import EBFMI_MIN, ESS_MIN, RHAT_MAX
from twinbayes.names import DAYS_PER_YEAR, SUBGROUP, TIME, TREATMENT, TREATMENTS
from twinbayes.priors import PriorEntry
from twinbayes.priors.files.names import LIBRARY, OVERRIDDEN, OWN, origin_of
from twinbayes.report.figures.diagnostics import missingness
from twinbayes.report.figures.graph import state_graph
from twinbayes.report.figures.look import words
from twinbayes.report.figures.occupation import prior_predictive as prior_predictive_picture
from twinbayes.report.html import fragments as f
from twinbayes.report.html.formulae import hazard_formula
from twinbayes.report.reviewer.evidence import KIND, ReviewEvidence
from twinbayes.report.sites import sites_of

_FEW: Final = 20
_USABLE_MEANS: Final = (
    "Usable says that the computation converged and may be read. It does not say that the model is "
    "right, nor that it may guide care: judge that by the evidence below."
)


def verdict(evidence: ReviewEvidence) -> f.Block:
    """Return the banner that every report starts with."""
    judged = evidence.fit.verdict
    return f.block(
        f.banner(
            judged.usable,
            judged.reasons,
            simulated=evidence.fit.cohort.simulated,
            say=evidence.look.way,
        ),
        f.paragraph(judged_words(judged)),
        f.bullets(f"To change: {advice}." for advice in judged.advice) if judged.advice else None,
        f.paragraph(_USABLE_MEANS, "note"),
    )


def judged_words(judged: Verdict) -> str:
    """Say what the gate measured, beside its bars."""
    s = judged.summary
    return (
        f"{s['n_scalars']:.0f} quantities, {s['chains']:.0f} chains of {s['draws']:.0f} draws: "
        f"R-hat at most {s['max_rhat']:.3f} (bar {RHAT_MAX:g}), effective sample size at least "
        f"{s['min_ess_bulk']:.0f} in the bulk and {s['min_ess_tail']:.0f} in the tails "
        f"(bar {ESS_MIN:g}), "
        f"{s['divergences']:.0f} divergences (bar 0), E-BFMI at least {s['min_ebfmi']:.2f} "
        f"(bar {EBFMI_MIN:g})."
    )


def data(evidence: ReviewEvidence) -> f.Block:
    """Return who is in the data, who was left out, and what is missing."""
    fit, quality = evidence.fit, evidence.quality
    cohort = fit.cohort
    about = {
        "cohort": cohort.name,
        "kind": "simulated: nobody in it exists" if cohort.simulated else "real patients",
        "patients": cohort.n_patients,
        "subgroups": len(cohort.subgroups),
        "centres": len(cohort.centres),
        **{words(str(k)): v for k, v in cohort.source.items()},
    }
    left_out = pd.concat([cohort.excluded, fit.set_aside], ignore_index=True)
    rows = left_out.groupby(["table", "rule", "reason"], sort=False).size().rename("rows")
    counted = rows.reset_index()
    counted["rows"] = part_words(counted["rows"])
    missing = quality.tables["missing_by_subgroup"]
    modelled = [t.name for t in fit.spec.graph.treatments]
    starts = starts_used(cohort, modelled, fit.set_aside, counted)
    return f.block(
        f.pairs(about),
        *([f.heading("Treatment starts that the model uses"), f.table(starts)] if modelled else []),
        f.heading("Excluded rows"),
        f.table(counted)
        if len(counted)
        else f.paragraph("None: every row of the source was used."),
        f.heading("Missing values"),
        missingness(missing, place=SUBGROUP).marked(*evidence.marks)
        if missing.shape[1] > 2
        else f.paragraph("No covariate has a missing value."),
        f.heading("Quality report"),
        f.folded(
            "Follow-up, events, missingness, implausible values, what detectors suspect", quality
        ),
    )


def starts_used(
    cohort: Cohort, modelled: Sequence[str], set_aside: pd.DataFrame, counted: pd.DataFrame
) -> pd.DataFrame:
    """Starts of each treatment that the model uses, of those recorded.

    Parameters
    ----------
    cohort
        The patients.
    modelled
        Treatments of the model.
    set_aside
        Rows with no place in the graph, as of `Histories`.
    counted
        Their counts by table and reason as they are shown: a number that is hidden there is told
        by none here.
    """
    table = cohort.treatments
    given = pd.Series(dtype=object) if table is None else table[TREATMENT].astype(str)
    unused = set_aside[set_aside["table"] == TREATMENTS]
    names_of = given.iloc[unused["row"].to_numpy(dtype=int)].to_numpy()
    shown = counted[counted["table"] == TREATMENTS].set_index("reason")["rows"].astype(str)
    rows = []
    for name in modelled:
        mine = unused[names_of == name]
        recorded = int((given == name).sum())
        used, rest = part_words([recorded - len(mine), len(mine)])
        whole = all(text.isdigit() for text in (used, rest, *shown[mine["reason"].unique()]))
        rows.append(
            {"treatment": words(name), "used": used if whole else HIDDEN,
             "recorded": str(recorded) if whole else HIDDEN}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["treatment", "used", "recorded"])


def model(evidence: ReviewEvidence) -> f.Block:
    """Return the model in formulae and words, its states, and the events seen."""
    fit = evidence.fit
    graph, risk = fit.spec.graph, fit.plan.events.rows
    events = pd.Series(risk.intensity[risk.is_event]).value_counts()
    # What leads to the same adds up to a number that the quality report shows.
    counts = {
        k: said
        for some in ways_of(graph.labels)
        for k, said in zip(some, part_words(events.get(k, 0) for k in some), strict=True)
    }
    rows = [
        {
            "intensity": evidence.look.way(i.label),
            "clock": f"days since {i.clock}",
            "baseline hazard": words(i.baseline.kind),
            "events": counts[k],
        }
        for k, i in enumerate(graph.intensities)
    ]
    seen = {(t.source, t.target): counts[k] for k, t in enumerate(graph.transitions)}
    first = len(graph.transitions)
    begun = {(s.source, s.treatment): counts[first + k] for k, s in enumerate(graph.starts)}
    effects = [
        {
            "treatment effect": evidence.look.effect(e.label),
            "pooling over subgroups": e.pooling.kind,
        }
        for e in graph.effects
    ]
    columns = pd.Series([c.group for c in fit.encoding.columns], dtype=object).value_counts()
    covariates = ", ".join(f"{n} {words(str(group))}" for group, n in columns.items())
    return f.block(
        f.paragraph(fit.spec.title, "lead"),
        state_graph(evidence.look, seen, begun).marked(*evidence.marks),
        hazard_formula(fit.spec),
        f.table(pd.DataFrame(rows)),
        f.table(pd.DataFrame(effects)) if effects else None,
        f.paragraph(
            f"Covariate columns: {covariates or 'none'}. Missing covariates are integrated out of "
            "the hazard under a multivariate normal model of all covariates."
        ),
        f.folded("The whole description", f.preformatted(fit.spec.describe())),
    )


def priors(evidence: ReviewEvidence) -> f.Block:
    """Return every prior with its unit, range, reasons and evidence."""
    fit = evidence.fit
    frame = priors_of(fit)
    used, idle = (frame[frame["in the model"] == word] for word in ("yes", "no"))
    shown = ["prior", "distribution", "q05", "q95", "unit", "status", "from"]
    titles = {"q05": "5% quantile", "q95": "95% quantile"}
    return f.block(
        f.paragraph(f"Prior set {fit.priors.label}. {provenance_words(frame)}"),
        f.table(used[shown], names=titles),
        f.heading("Reasons and evidence"),
        f.definitions(
            (f"{n} ~ {e.text()}", _reasons(e))
            for n, e in fit.priors.items()
            if n in set(used["prior"])
        ),
        f.folded(
            "Identity and meaning of each",
            f.table(used[["id", "parameter", "scale", "population"]]),
        ),
        f.folded(further_words(len(idle)), f.table(idle[shown], names=titles))
        if len(idle)
        else None,
    )


def priors_of(fit: Fit | AggregateFit) -> pd.DataFrame:
    """List the priors of a fit, one row an entry, with where each comes from and if it is used."""
    frame, used = fit.priors.to_frame().reset_index(), used_priors(fit)
    frame["from"] = [origin_of(fit.priors, str(name)) for name in frame["prior"]]
    frame["in the model"] = ["yes" if name in used else "no" for name in frame["prior"]]
    return frame


def provenance_words(frame: pd.DataFrame) -> str:
    """Say which priors are the library's, the analyst's, and of nothing in the model."""
    by = {o: list(frame.loc[frame["from"] == o, "prior"]) for o in (LIBRARY, OVERRIDDEN, OWN)}
    said = [
        f"Distributions as published in the library: {len(by[LIBRARY])} of {len(frame)}.",
        f"Overridden by the analyst: {', '.join(by[OVERRIDDEN]) or 'none'}.",
    ]
    if by[OWN]:
        said.append(f"Of the analyst's own set: {', '.join(by[OWN])}.")
    idle = int((frame["in the model"] == "no").sum())
    if idle:
        said.append(further_words(idle))
    return " ".join(said)


def further_words(idle: int) -> str:
    """Say how many entries of a set are of nothing in the model.

    Examples
    --------
    >>> further_words(1)
    '1 further entry of the set is asked for by nothing in this model.'
    """
    what = "entry of the set is" if idle == 1 else "entries of the set are"
    return f"{idle} further {what} asked for by nothing in this model."


def sites(evidence: ReviewEvidence) -> f.Block:
    """Return where the patients of a federated fit are; nothing of any other fit."""
    return sites_of(evidence.fit, evidence.interval, KIND)


def prior_predictive(evidence: ReviewEvidence) -> f.Block:
    """Return the state occupation that the priors alone expect, and the check of it."""
    draws, checks = evidence.prior_occupation, evidence.of(PRIOR_PREDICTIVE)
    if draws is None:
        if not checks:
            return f.not_provided("No draws of the priors.")
        return f.block(*(f.check(c, evidence.look) for c in checks))
    picture = prior_predictive_picture(draws, evidence.look).marked(*evidence.marks)
    return f.block(picture, *(f.check(c, evidence.look) for c in checks))


def limits(evidence: ReviewEvidence) -> f.Block:
    """Return what this evidence cannot show."""
    return f.bullets(_limits(evidence))


def provenance(evidence: ReviewEvidence) -> f.Block:
    """Return the manifest of the fit: what was run, on what, with which versions."""
    return f.block(
        f.pairs(dict(_flat(evidence.fit.manifest))),
        f.paragraph(
            "The same data, model, priors, seed and versions give the same draws on one machine.",
            "note",
        ),
    )


def _reasons(entry: PriorEntry) -> f.Block:
    return f.block(
        f.paragraph(entry.rationale),
        *(f.paragraph(line) for line in _particulars(entry)),
        f.bullets(e.text for e in entry.evidence)
        if entry.evidence
        else f.not_provided("No evidence is recorded for this prior."),
    )


def _particulars(entry: PriorEntry) -> Iterator[str]:
    """Say what else the library knows of a prior, in a line each."""
    if entry.estimand is not None:
        e = entry.estimand
        under = f" under {e.treatment}" if e.treatment else ""
        yield f"Estimand: {e.summary} of {e.endpoint}{under}, {e.time_point}."
    if entry.derivation:
        yield f"Derivation: {entry.derivation}"
    if entry.robustness is not None:
        yield (
            f"Robustness: weight {entry.robustness.weight:g} on the last component. "
            f"{entry.robustness.reason}"
        )
    if entry.derived is not None and entry.derived.ess:
        sizes = ", ".join(f"{size:.3g} by {how}" for how, size in entry.derived.ess.items())
        yield f"Effective sample size: {sizes}."
    if entry.prior_predictive is not None:
        yield f"Prior predictive: {entry.prior_predictive.statement}"
    if entry.review:
        said = ", ".join(f"{r.role} ({r.decision}, {r.date})" for r in entry.review)
        yield f"Review: {said}."


def _limits(evidence: ReviewEvidence) -> Iterator[str]:
    fit = evidence.fit
    cohort, graph = fit.cohort, fit.spec.graph
    if not fit.verdict.usable:
        yield "NOT FOR USE: no number of this report may be relied on."
    if cohort.simulated:
        yield "The data are simulated. They test the method and say nothing about any disease."
    if graph.treatments:
        yield (
            "Treatments were not randomised. Contrasts between them adjust only for the covariates "
            "in the model; reasons for treatment that were not recorded can bias them."
        )
    sizes = cohort.patients[SUBGROUP].value_counts()
    small = [words(str(s)) for s in cohort.subgroups if int(sizes[s]) < _FEW]
    if small and len(sizes) > 1:
        yield (
            f"Subgroups of fewer than {_FEW} patients ({', '.join(small)}) lean on the others. "
            "Their intervals are wide because little is known of them."
        )
    ends = [evidence.look.noun(s) for s in graph.absorbing if s not in evidence.look.dead]
    if ends:
        yield f"What happens after {' or '.join(ends)} is not modelled: follow-up ends there."
    if not any(c.topic == OUT_OF_SAMPLE for c in evidence.of(SCORES)):
        yield (
            "The scores are on the patients the model was fitted to, and flatter it. "
            "Cross-validated scores: NOT PROVIDED."
        )
    if not any(c.topic == SIMULATION_BASED for c in evidence.of(FURTHER)):
        yield "Simulation-based calibration: NOT PROVIDED in this report."
    if fit.encoding.left_out:
        n = len(fit.encoding.left_out)
        yield f"{n} covariates with too few carriers to inform a model were left out."
    judged = [
        float(day)
        for check in evidence.of(CALIBRATION)
        if {TIME, "observed"} <= set(check.table.columns)
        for day in check.table.loc[check.table["observed"].notna(), TIME]
    ]
    last = max(judged, default=0.0) / DAYS_PER_YEAR
    yield f"Predictions beyond {last:.1f} years since origin were not judged."


def _flat(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in sorted(record.items()):
        name = f"{above}{words(str(key))}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, "; ".join(map(str, value)) or f.NOTHING
        else:
            yield name, value
