"""Sections of a review about what was fitted: status, data, outcome, predictors, model, priors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from twinbayes.checks.result import PRIOR_PREDICTIVE
from twinbayes.checks.suppression import ways_of
from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import HIDDEN, part_words, suppress_fractions
from twinbayes.inference import AggregateFit, Fit
from twinbayes.inference.densities.log_prior import used_priors
from twinbayes.names import SAMPLE, SUBGROUP, TREATMENT, TREATMENTS
from twinbayes.priors import PriorEntry
from twinbayes.priors.files.names import LIBRARY, OVERRIDDEN, OWN, origin_of
from twinbayes.report.figures.diagnostics import missingness
from twinbayes.report.figures.graph import state_graph
from twinbayes.report.figures.look import words
from twinbayes.report.figures.occupation import prior_predictive as prior_predictive_picture
from twinbayes.report.html import fragments as f
from twinbayes.report.html.formulae import hazard_formula
from twinbayes.report.required.gate import gate_block
from twinbayes.report.reviewer.evidence import KIND, ReviewEvidence
from twinbayes.report.sites import sites_of


def verdict(evidence: ReviewEvidence) -> f.Block:
    """Return what the gate measured, what to change, and what is under review."""
    return gate_block(evidence.fit.verdict, evidence.fit.manifest)


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
        missingness(missing, place=SUBGROUP).marked(*evidence.marks).backed(_as_shown(missing))
        if missing.shape[1] > 2
        else f.paragraph("No covariate has a missing value."),
        f.heading("Quality report"),
        f.folded(
            "Follow-up, events, missingness, implausible values, what detectors suspect", quality
        ),
    )


def _as_shown(missing: pd.DataFrame) -> pd.DataFrame:
    """Fractions missing by subgroup as they may be published."""
    said = suppress_fractions(missing.drop(columns=[SUBGROUP, "patients"]), missing["patients"])
    said.insert(0, "patients", part_words(missing["patients"]))
    said.insert(0, SUBGROUP, missing[SUBGROUP].to_numpy())
    return said


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


def outcome(evidence: ReviewEvidence) -> f.Block:
    """Return the states that are predicted, and since when time counts."""
    graph, look = evidence.fit.spec.graph, evidence.look
    rows = []
    for state in graph.states:
        events = [e for t in graph.transitions if t.target == state for e in t.events]
        ends = "death" if state in look.dead else "end of follow-up"
        rows.append(
            {
                "state": look.name(state),
                "reached by": ", ".join(words(str(e)) for e in dict.fromkeys(events)) or "origin",
                "kind": ends if state in graph.absorbing else "living",
            }
        )
    return f.block(
        f.paragraph(
            "Time is in days since the origin of each patient's record, day 0. Predicted is the "
            "probability of being in each state on each day."
        ),
        f.table(pd.DataFrame(rows), text=["reached by"]),
    )


def predictors(evidence: ReviewEvidence) -> f.Block:
    """Return every variable of the data: its unit, when it is known, and if the model uses it."""
    fit = evidence.fit
    variables, used = fit.cohort.variables, _used(fit)
    unit = variables["unit"].astype(object)
    rows = pd.DataFrame(
        {
            "variable": [words(str(name)) for name in variables["name"]],
            "unit": [f.NOTHING if pd.isna(u) or u in ("", "1") else str(u) for u in unit],
            "group": [f.NOTHING if pd.isna(g) else words(str(g)) for g in variables["group"]],
            "known": [
                {"visits": "from its visit on", "treatments": "from its start on"}.get(
                    str(table), "at origin"
                )
                for table in variables["table"]
            ],
            "in the model": ["yes" if name in used else "no" for name in variables["name"]],
        }
    )
    return f.table(rows)


def _used(fit: Fit) -> set[str]:
    """Names of variables that the model reads."""
    curves = fit.spec.trajectories
    return {
        *(source for column in fit.encoding.columns for source in column.sources),
        *(m.marker for m in (() if curves is None else curves.markers)),
        *(t.name for t in fit.spec.graph.treatments),
    }


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
        state_graph(evidence.look, seen, begun)
        .marked(*evidence.marks)
        .backed(pd.DataFrame(rows)[["intensity", "events"]]),
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
    ends = draws.quantile([0.05, 0.25, 0.5, 0.75, 0.95], SAMPLE).rename("probability")
    picture = picture.backed(ends.to_dataframe().reset_index())
    return f.block(picture, *(f.check(c, evidence.look) for c in checks))


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
