"""Facts of the model of a fit: what it predicts, from what, under which priors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from twinbayes.cohort.quality.suppression import part_words
from twinbayes.dossier.facts.fact import Fact, Subject, Told
from twinbayes.inference import Fit
from twinbayes.priors.files.names import LIBRARY, OVERRIDDEN, OWN, origin_of
from twinbayes.report.figures.look import look_of, words

_ORIGINS: Final = {
    LIBRARY: "as the library has them", OVERRIDDEN: "overridden", OWN: "the analyst's own",
}  # fmt: skip


def _title(subject: Subject) -> Told:
    fit = subject.fit
    return {
        "model": fit.spec.title,
        "kind": "Bayesian hierarchical multi-state model, developed from a registry",
        "predicts": ", ".join(look_of(fit).name(s) for s in fit.spec.graph.states),
    }


def _outcome(subject: Subject) -> Told:
    fit = subject.fit
    graph, look = fit.spec.graph, look_of(fit)
    told = {"time": "days since the origin of each patient's record"}
    for transition in graph.transitions:
        source, target = look.name(transition.source), look.name(transition.target)
        told[f"{source} to {target}"] = "on " + (
            ", ".join(words(str(e)) for e in transition.events) or "a day between two visits"
        )
    return told | {"states that end a course": ", ".join(map(look.name, graph.absorbing))}


def _handling(subject: Subject) -> Told:
    """How each covariate became columns; centre and scale are of all patients together."""
    fit = subject.fit
    told = {}
    for column in fit.encoding.columns:
        how = "0 or 1" if column.is_binary else f"centred and scaled, {column.function}"
        told[words(column.label)] = how
    curves = fit.spec.trajectories
    for marker in () if curves is None else curves.markers:
        told[f"marker {words(marker.marker)}"] = f"a curve over time, {marker.family.kind} errors"
    return told or {"covariates": "none"}


def _form(subject: Subject) -> Told:
    fit = subject.fit
    lines = [line.strip() for line in fit.spec.describe().splitlines() if "=" in line][:2]
    baselines = Counter(t.baseline.kind for t in fit.spec.graph.transitions)
    return {
        "formulae": "; ".join(lines),
        "baseline hazards": ", ".join(f"{kind}: {n}" for kind, n in sorted(baselines.items())),
        "intensities": str(len(fit.spec.graph.transitions)),
        "model hash": fit.spec.content_hash,
        "prior hash": fit.priors.content_hash,
    }


def _clusters(subject: Subject) -> Told:
    fit = subject.fit
    events = fit.spec.events
    return {
        "subgroups": "none" if events.subgroup is None else events.subgroup.kind,
        "centres": "none" if events.centre is None else events.centre.kind,
        "frailties": str(len(events.frailty)) if events.frailty else "none",
    }


def _whole(subject: Subject) -> Told:
    fit = subject.fit
    names = {str(n): v for n, v in fit.datatree["posterior"].data_vars.items()}
    told = {name: f"{int(np.prod(v.shape[2:]))} numbers a draw" for name, v in names.items()}
    return {
        "model hash": fit.spec.content_hash,
        "columns of covariates": str(len(fit.encoding.columns)),
        **{f"posterior of {words(name)}": n for name, n in sorted(told.items())},
    }


def _priors(subject: Subject) -> Told:
    fit = subject.fit
    used = subject.used_priors
    origins = Counter(origin_of(fit.priors, name) for name in used)
    return {
        "prior set": fit.priors.label,
        "prior hash": fit.priors.content_hash,
        "entries in the model": f"{len(used)} of {len(fit.priors)}",
        **{f"entries in the model, {_ORIGINS[kind]}": str(n) for kind, n in origins.items()},
    }


def _prior_reasons(subject: Subject) -> Told:
    fit = subject.fit
    used = subject.used_priors
    return {f"{n} ~ {e.text()}": e.rationale for n, e in fit.priors.items() if n in used}


def _imbalance(subject: Subject) -> Told:
    fit = subject.fit
    weights = fit.weights
    equal = bool((weights == weights[0]).all()) if len(weights) else True
    rows = fit.cohort.events["event"].astype(str).value_counts()
    counts = zip(rows.index, part_words(rows), strict=True)
    return {
        "weights of patients in the likelihood": "all the same" if equal else "not all the same",
        **{f"rows of {words(str(name))}": n for name, n in counts},
    }


def _output(subject: Subject) -> Told:
    fit = subject.fit
    curves, look = fit.spec.trajectories, look_of(fit)
    markers = () if curves is None else curves.markers
    return {
        "probability on each day of": ", ".join(map(look.name, fit.spec.graph.states)),
        "deaths among them": ", ".join(map(look.name, fit.spec.graph.deaths)) or "none",
        **({"curves of": ", ".join(words(m.marker) for m in markers)} if markers else {}),
    }


def _poor_input(subject: Subject) -> Told:
    fit = subject.fit
    columns = fit.encoding.columns
    levels = {words(c.sources[0]): ", ".join(c.levels) for c in columns if c.levels}
    return {
        "columns with a model of what is missing": f"{len(fit.encoding.normal.mean)} of "
        f"{len(columns)}",
        "new subgroup": _new_level(fit),
        **{f"levels known of {name}": known for name, known in levels.items()},
    }


def _new_level(fit: Fit) -> str:
    pooling = fit.spec.events.subgroup
    reaches = pooling is not None and getattr(pooling, "reaches_new_subgroups", False)
    return "drawn from the population of subgroups" if reaches else "refused"


def _limits(subject: Subject) -> Told:
    fit = subject.fit
    from twinbayes.report.reviewer.reach import not_for

    return {f"not for ({k + 1})": line for k, line in enumerate(not_for(fit, ()))}


MODEL: Final[Mapping[str, Fact]] = {
    "title": Fact("spec", _title),
    "outcome": Fact("spec.graph", _outcome),
    "handling": Fact("learnt.encoding", _handling),
    "form": Fact("spec, priors", _form),
    "clusters": Fact("spec.events", _clusters),
    "whole": Fact("datatree['posterior']", _whole),
    "priors": Fact("priors", _priors),
    "prior_reasons": Fact("priors", _prior_reasons),
    "imbalance": Fact("datatree['constant_data']", _imbalance),
    "output": Fact("spec.graph", _output),
    "poor_input": Fact("learnt.encoding, spec.events", _poor_input),
    "limits": Fact("cohort, spec", _limits),
}
"""Facts of the model, by name."""
