"""The event-history component: hazards of every transition and treatment start.

For patient i and intensity e, at time t on its clock:

    log h_ie(t) = log h0_e(t) + x_i . beta_e + a_e[subgroup i] + r_e[centre i]
                  + sum over effects f acting now of theta_f[subgroup i]
                  + epsilon_e[era of entry] + sum of delta_v[window of t, subgroup i] + f_e b_i

The last terms are there for intensities on the entry clock that have eras of entry, for those with
effects that change with time, and for those that a patient's frailty b_i moves. Treatment starts
are intensities like any other, so the registry's own treatment policy is part of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, require_known
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import trace_histories
from twinbayes.model.courses.open_courses import trace_courses
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.covariates.terms import CovariateTerm
from twinbayes.model.events.baselines import build_baselines
from twinbayes.model.events.covariate_effects import CovariateEffects
from twinbayes.model.events.crude import Crude, CrudeEstimates
from twinbayes.model.events.frailty import build_frailty, require_frailty
from twinbayes.model.events.likelihood.op import loglik
from twinbayes.model.events.packed import event_data
from twinbayes.model.events.plan import EventPlan
from twinbayes.model.events.quadrature import Followed, trail_points
from twinbayes.model.events.rows import rows_at_risk, window_edges
from twinbayes.model.events.time_at_risk import require_events_after_origin, require_time_at_risk
from twinbayes.model.events.time_varying import (
    TimeVarying,
    VaryingEffect,
    build_walks,
    cut_rows,
    laid_out,
)
from twinbayes.model.pooling.basic import Exchangeable
from twinbayes.model.pooling.centring import ToldTogether
from twinbayes.model.pooling.hazard_walks import Beside
from twinbayes.model.pooling.protocol import EffectNames, Pooling
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.names import (
    CENTRE,
    COVARIATE,
    COVARIATE_GROUP,
    EFFECT,
    ENTRY_CUT,
    ENTRY_ERA,
    ENTRY_ERA_EFFECT,
    FRAILTY_OTHER,
    LOG_BASELINE_AT_EVENT,
    PRINCIPAL_AXIS,
    SUBGROUP,
    TIME_VARYING,
    TIME_VARYING_WINDOW,
    TRANSITION,
    TREATMENT_EFFECT,
    TREATMENT_HETEROGENEITY,
    TREATMENT_SUBGROUP_EFFECT,
    WINDOW,
)
from twinbayes.priors import PriorSet
from twinbayes.showing import brief
from twinbayes.tensors import Tensor

EVENT_INDEX = "event_index"
EVENT_VALUES = "event_values"


@dataclass(frozen=True)
class Hazards:
    """What hazards depend on, as variables of a model; shapes as in `courses.event_loglik`."""

    log_event: Tensor
    log_mean: Tensor
    coef: Tensor
    effect: Tensor
    frailty: Tensor


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class EventProcess:
    """Description of the event process of a disease.

    Parameters
    ----------
    graph
        States, transitions, treatments.
    covariates
        Baseline covariates acting on every intensity.
    unshrunk
        Covariate groups whose effects take the fixed prior ``covariate_effect`` instead of a
        learnt shrinkage scale.
    subgroup, centre
        How subgroup and centre levels of each hazard are pooled.
    worse, better
        Labels of intensities whose covariate effects and exchangeable subgroup levels lean towards
        each other: what raises one of `worse` tends to raise the others and to lower those of
        `better`. How much is learnt, for each covariate group and for the subgroups.
    time_varying
        Hazards of subgroups, classes of these, or carriers of a covariate, that are not
        proportional.
    frailty
        Labels of intensities that a patient has more often than others alike, or less: their log
        hazards share a normal effect of the patient, that of the first with a positive sign. For
        events that recur, and what comes with them.

    Examples
    --------
    >>> death = Transition(source="well", target="dead", event="death")
    >>> graph = StateGraph(states=("well", "dead"), transitions=(death,))
    >>> age = Term(name="age_years", group="clinical")
    >>> EventProcess(graph=graph, covariates=(age,)).graph.states
    ('well', 'dead')
    """

    graph: StateGraph
    covariates: tuple[CovariateTerm, ...] = ()
    unshrunk: tuple[str, ...] = ()
    subgroup: Pooling = field(default_factory=Exchangeable)
    centre: Pooling = field(default_factory=Exchangeable)
    worse: tuple[str, ...] = field(default=(), metadata=UNSET_IS_ABSENT)
    better: tuple[str, ...] = field(default=(), metadata=UNSET_IS_ABSENT)
    time_varying: tuple[TimeVarying, ...] = field(default=(), metadata=UNSET_IS_ABSENT)
    frailty: tuple[str, ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        for label in (*self.worse, *self.better):
            require_known(label, self.graph.labels, "intensity with shared covariate effects")
        changing = [effect.label for effect in self.time_varying]
        for effect in self.time_varying:
            require_known(effect.on, self.graph.labels, "intensity of a time-varying effect")
            if changing.count(effect.label) > 1:
                raise ModelError(f"The time-varying effect {effect.label!r} is there twice.")
        require_frailty(self.frailty, self.graph)

    def plan(self, cohort: Cohort, followed: Followed | None = None) -> EventPlan:
        """Learn encoding and windows from a cohort and trace its histories.

        `followed` are the intensities that trajectories move, with their lags in days.
        """
        encoding = Encoding.learn(self.covariates, cohort)
        unknown = sorted(set(self.unshrunk) - set(encoding.groups))
        if unknown:
            raise ModelError(
                f"unshrunk names groups without covariates: {unknown}. "
                f"Known: {list(encoding.groups)}."
            )
        plan = self._planned(cohort, encoding, None, followed)
        require_time_at_risk(self.graph, plan.rows, plan.edges, followed or {})
        return plan

    def plan_like(
        self,
        cohort: Cohort,
        encoding: Encoding,
        edges: tuple[Floats, ...],
        followed: Followed | None = None,
    ) -> EventPlan:
        """Trace a cohort under columns and windows learnt before: what a given fit says of it."""
        return self._planned(cohort, encoding, edges, followed)

    def _planned(
        self,
        cohort: Cohort,
        encoding: Encoding,
        edges: tuple[Floats, ...] | None,
        followed: Followed | None,
    ) -> EventPlan:
        histories = trace_histories(self.graph, cohort)
        rows = require_events_after_origin(self.graph, rows_at_risk(self.graph, histories))
        edges = window_edges(self.graph, rows) if edges is None else edges
        courses = trace_courses(self.graph, cohort)
        possible = rows if courses is None else rows_at_risk(self.graph, courses)
        design = encoding.encode(cohort)
        varying = self.varying(encoding, edges)
        rows = cut_rows(rows, varying, self.graph, design)
        of_course = None if courses is None else courses.patient
        possible = cut_rows(possible, varying, self.graph, design, of_course)
        points = trail_points(possible, edges, followed or {})
        data = event_data(possible, edges, design, points, courses)
        if courses is not None:
            points = replace(points, patient=courses.patient[points.patient])
        return EventPlan(encoding, edges, histories, rows, points, design, data)

    def varying(self, encoding: Encoding, edges: tuple[Floats, ...]) -> tuple[VaryingEffect, ...]:
        """Find columns and windows of the effects that change with time."""
        return laid_out(self.time_varying, self.graph, encoding, edges)

    def coords(self, encoding: Encoding, edges: tuple[Floats, ...]) -> dict[str, Sequence[object]]:
        """Coordinates of the component's dims."""
        out: dict[str, Sequence[object]] = {
            TRANSITION: self.graph.labels,
            WINDOW: range(max(len(e) for e in edges) - 1),
            SUBGROUP: encoding.subgroups,
            CENTRE: encoding.centres,
        }
        if encoding.columns:
            out[COVARIATE] = encoding.labels
        if groups := self._covariate_effects(encoding).groups:
            out |= {COVARIATE_GROUP: groups, PRINCIPAL_AXIS: range(len(encoding.columns))}
        if self.graph.effects:
            out[EFFECT] = tuple(e.label for e in self.graph.effects)
        if eras := self.graph.entry_eras:
            out[ENTRY_ERA] = tuple(e.label for e in eras)
            out[ENTRY_CUT] = tuple(e.label for e in eras if e.first > 0.0)
        if len(self.frailty) > 1:
            out[FRAILTY_OTHER] = self.frailty[1:]
        if varying := self.varying(encoding, edges):
            out[TIME_VARYING] = tuple(e.label for e in varying)
            out[TIME_VARYING_WINDOW] = tuple(w for e in varying for w in e.windows)
        return out

    def build(
        self,
        plan: EventPlan,
        priors: PriorSet,
        weight: Tensor,
        trail: Tensor,
        beside: Beside | None = None,
    ) -> None:
        """Add the component to the current PyMC model.

        `weight` is that of each patient, `trail` what trajectories add at `EventPlan.points`, and
        `beside` a rough estimate of that.
        """
        index, values = plan.data.pack()
        hazards = self.hazards(plan.encoding, plan.edges, Crude(plan), priors, beside)
        data = pm.Data(EVENT_INDEX, index), pm.Data(EVENT_VALUES, values)
        pm.Potential(
            "event_loglik",
            loglik(
                hazards.log_event,
                hazards.log_mean,
                hazards.coef,
                hazards.effect,
                trail,
                hazards.frailty,
                weight,
                *data,
            ),
        )

    def hazards(
        self,
        encoding: Encoding,
        edges: tuple[Floats, ...],
        crude: CrudeEstimates,
        priors: PriorSet,
        beside: Beside | None = None,
    ) -> Hazards:
        """Add what hazards depend on to the current PyMC model, without any patient.

        `crude` decides how it is sampled, and nothing else.
        """
        log_event, log_mean = build_baselines(self.graph, edges, crude, priors, beside)
        if log_event is not log_mean:
            dims = (TRANSITION, WINDOW)
            log_event = pm.Deterministic(LOG_BASELINE_AT_EVENT, log_event, dims=dims)
        subgroups, centres = encoding.subgroups, encoding.centres
        every = len(encoding.columns) + np.arange(len(subgroups) + len(centres))
        by_subgroup = crude.told(every[: len(subgroups)])
        by_centre = crude.told(every[len(subgroups) :])
        coef = pt.concatenate(
            [
                self._covariate_effects(encoding).build(crude, priors),
                self._levels("subgroup", self.subgroup, subgroups, by_subgroup, priors),
                self._levels("centre", self.centre, centres, by_centre, priors),
            ]
        )
        varying = self.varying(encoding, edges)
        effect = pt.concatenate(
            [
                self._treatment_effects(subgroups, crude, priors),
                self._era_effects(len(subgroups), priors),
                build_walks(varying, subgroups, priors),
            ]
        )
        frailty = build_frailty(self.frailty, self.graph.labels, priors)
        return Hazards(log_event, log_mean, coef, effect, frailty)

    def _covariate_effects(self, encoding: Encoding) -> CovariateEffects:
        return CovariateEffects(encoding=encoding, unshrunk=self.unshrunk, signs=self._signs)

    @property
    def _signs(self) -> tuple[float, ...]:
        """Of each intensity: 1 in `worse`, -1 in `better`, else 0."""
        return tuple(float(x in self.worse) - float(x in self.better) for x in self.graph.labels)

    def _levels(
        self,
        what: str,
        pooling: Pooling,
        labels: Sequence[str],
        told: ToldTogether,
        priors: PriorSet,
    ) -> Tensor:
        """(label, transition) levels of subgroups or centres; none where there is only one."""
        if len(labels) < 2:
            return pt.zeros((len(labels), len(self.graph.labels)))
        names = EffectNames(
            mean="",
            scale=f"{what}_scale",
            offset=f"{what}_offset",
            total=f"{what}_effect",
            scale_prior=f"{what}_scale",
            sharing=f"{what}_sharing",
            signs=self._signs if what == "subgroup" else (),
            told=told,
        )
        levels = pooling.build(names, (TRANSITION, what), self.graph.labels, len(labels), priors)
        by_label: Tensor = levels.T
        return by_label

    def _treatment_effects(
        self, subgroups: Sequence[str], crude: CrudeEstimates, priors: PriorSet
    ) -> Tensor:
        """(effect, subgroup) log hazard ratios, each effect under its own pooling."""
        effects = self.graph.effects
        if not effects:
            return pt.zeros((0, len(subgroups)))
        blocks: dict[Pooling, list[int]] = {}
        for k, effect in enumerate(effects):
            blocks.setdefault(effect.pooling, []).append(k)
        told = crude.by_effect(len(effects))
        parts, order = [], []
        for pooling, members in blocks.items():
            suffix = "" if len(blocks) == 1 else f"_{pooling.kind}"
            dims = (f"{EFFECT}{suffix}", SUBGROUP)
            labels = [effects[k].label for k in members]
            if suffix:
                pm.modelcontext(None).add_coord(dims[0], labels)
            names = EffectNames(
                mean=f"{TREATMENT_EFFECT}{suffix}",
                scale=f"{TREATMENT_HETEROGENEITY}{suffix}",
                offset=f"treatment_offset{suffix}",
                total=f"{TREATMENT_SUBGROUP_EFFECT}{suffix}",
                scale_prior="treatment_heterogeneity",
                mean_prior="treatment_effect",
                told=ToldTogether.of(told.take(members)),
            )
            parts.append(pooling.build(names, dims, labels, len(subgroups), priors))
            order += members
        if len(blocks) == 1:
            return parts[0]
        back = np.argsort(order)
        effect_by_subgroup: Tensor = pm.Deterministic(
            TREATMENT_SUBGROUP_EFFECT, pt.concatenate(parts)[back], dims=(EFFECT, SUBGROUP)
        )
        return effect_by_subgroup

    def _era_effects(self, n_subgroups: int, priors: PriorSet) -> Tensor:
        """(era, subgroup) log hazard ratios of eras of entry, the same in all subgroups.

        They walk from era to era and sum to zero, since the baseline carries the mean.
        """
        eras = self.graph.entry_eras
        if not eras:
            return pt.zeros((0, n_subgroups))
        labels = [e.label for e in eras if e.first > 0.0]
        step = priors.make("entry_era_step", "entry_era_step", dims=(ENTRY_CUT,), qualifiers=labels)
        walk = np.zeros((len(eras), len(labels)))
        for intensity in dict.fromkeys(e.intensity for e in eras):
            mine = [k for k, e in enumerate(eras) if e.intensity == intensity]
            steps = [labels.index(eras[k].label) for k in mine[1:]]
            up = np.tri(len(mine), len(steps), -1)
            walk[np.ix_(mine, steps)] = up - up.mean(axis=0)
        effect = pm.Deterministic(ENTRY_ERA_EFFECT, pt.as_tensor(walk) @ step, dims=ENTRY_ERA)
        by_subgroup: Tensor = effect[:, None] + pt.zeros((1, n_subgroups))
        return by_subgroup
