"""A model in formulae and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twinbayes.model.covariates.terms import Group, Interaction
from twinbayes.model.curves.association import Feature, describe_features
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.trajectory import Trajectories, Trajectory
from twinbayes.model.curves.waves import HSGP
from twinbayes.model.events.process import EventProcess


def describe_model(
    heading: str,
    events: EventProcess,
    trajectories: Trajectories | None,
    followed: Sequence[Feature],
    labels: Mapping[str, str],
) -> str:
    """Write a model out as plain text.

    Parameters
    ----------
    heading
        Its first line.
    events, trajectories
        The parts of the model.
    followed
        What hazards follow of the curves.
    labels
        State → how people read it, of states that have a label.
    """
    lines = [heading, "", *_intensity_text(events, labels), *_covariate_text(events)]
    if trajectories is not None:
        lines += [
            "Curves of markers m(t) = Σ_b c_b B_b(t), c ~ normal around level + covariates + "
            "subgroup + centre, correlated over all markers of a patient:",
            *(_curve_text(t) for t in trajectories.markers),
            *describe_features(followed),
        ]
    lines.append(
        "Missing covariates: integrated out of the hazard, x·β + ½ s²β², with conditional "
        "mean and variance from a multivariate normal model of all covariates."
    )
    return "\n".join(lines)


def _intensity_text(events: EventProcess, labels: Mapping[str, str]) -> list[str]:
    """The hazard, its baselines, and what acts on it in time."""
    graph = events.graph
    lines = [
        "log h_e(t) = log h0_e(t) + x·β_e + a_e[subgroup] + r_e[centre] + Σ_f θ_f[subgroup]"
        + (" + ε_e[era of entry]" if graph.entry_eras else "")
        + (" + Σ_v δ_v[window]" if events.time_varying else "")
        + (" + f_e·b" if events.frailty else ""),
        "log-likelihood = Σ over rows at risk of  d·log h − ∫ h dt",
        "",
        f"States: {', '.join(graph.states)}; absorbing: {', '.join(graph.absorbing) or 'none'}.",
        *(["How people read them:"] if labels else []),
        *(f"  {state}: {label}" for state, label in labels.items()),
        "Intensities (clock; baseline):",
        *(
            f"  {i.label}  ({'days since ' + i.clock}; {i.baseline.kind})"
            for i in graph.intensities
        ),
    ]
    if graph.effects:
        lines += [
            "Treatment effects θ (pooling over subgroups):",
            *(f"  {e.label}  ({e.pooling.kind})" for e in graph.effects),
        ]
    if graph.entry_eras:
        lines += [
            "Era of entry ε_e, a log hazard ratio that sums to zero within an intensity:",
            *(f"  {era.label}" for era in graph.entry_eras),
        ]
    if events.time_varying:
        lines += [
            "Effects that change with time δ_v, a walk over windows that averages zero:",
            *(f"  {v.text}" for v in events.time_varying),
        ]
    if events.frailty:
        lines += [
            "Frailty b of a patient, standard normal and integrated out; it moves:",
            *(
                f"  {label}  ({'f > 0' if k == 0 else 'f'})"
                for k, label in enumerate(events.frailty)
            ),
        ]
    return lines


def _covariate_text(events: EventProcess) -> list[str]:
    """Levels of subgroups and centres, and covariates."""
    lines = [
        "Levels: subgroup a_e "
        f"({events.subgroup.kind}), centre r_e ({events.centre.kind}); each sums to zero.",
        "Covariates (β_ke = scale[group k, e] · offset_ke unless the group is unshrunk):",
        *(f"  {_term_text(t)}" for t in events.covariates),
    ]
    if events.worse or events.better:
        lines += [
            "Covariate effects and exchangeable subgroup levels share a part",
            *(f"  + on {label}" for label in events.worse),
            *(f"  − on {label}" for label in events.better),
        ]
    if events.unshrunk:
        lines.append(f"Unshrunk groups: {', '.join(events.unshrunk)}.")
    return lines


def _curve_text(curve: Trajectory) -> str:
    terms, basis = ", ".join(curve.labels), curve.basis
    text = f"  {curve.marker}  ({curve.family.kind}; {curve.transform}; {basis.kind}: {terms})"
    if isinstance(basis, MeanFunction):
        return f"{text}\n    {_formula_text(curve.transform, basis)}"
    return f"{text}\n    {basis.describe()}" if isinstance(basis, HSGP) else text


def _formula_text(transform: str, mean: MeanFunction) -> str:
    formula = mean.formula or f"{mean.kind}(t; {', '.join(mean.labels)})"
    own = "log f(t)" if transform == "log" else "f(t)"
    shared = f"; the same in all patients: {', '.join(mean.shared)}" if mean.shared else ""
    return f"m(t) = {own}, f(t) = {formula}; c: its parameters{shared}"


def _term_text(term: object) -> str:
    if isinstance(term, Group):
        return f"all of group {term.group!r} with at least {term.min_carriers} carriers"
    if isinstance(term, Interaction):
        return f"{' × '.join(term.names)} ({term.group})"
    return (
        f"{getattr(term, 'name', term)}: {getattr(term, 'transform', '')} "
        f"({getattr(term, 'group', '')})"
    )
