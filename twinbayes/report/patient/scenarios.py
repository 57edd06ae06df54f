"""The two ways of treating that a patient's report compares: by default, from words, from text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from twinbayes.errors import OptionError, ScenarioError, require_known
from twinbayes.model import ModelSpec
from twinbayes.twin import Scenario, Twin

_WAIT_FROM_START: Final = 120.0  # days; a transplant in first remission takes months to arrange
_WAIT_LATER: Final = 30.0
_START: Final = re.compile(
    r"(?P<name>\S+) (?:on day (?P<day>\S+)|after (?P<wait>\S+) days)(?: in (?P<states>.+))?"
)
_SETTING: Final = re.compile(r"(?P<name>\S+) ?= ?(?P<value>.+)")
_FORMS: Final = (
    "'policy', 'no TREATMENT', 'TREATMENT on day DAY', 'TREATMENT on day DAY in STATE or STATE', "
    "'TREATMENT after DAYS days in STATE' (from the landmark), 'COVARIATE = VALUE', or several of "
    "them with ' and ' between"
)

type Pair = tuple[Scenario, Scenario]


def default_scenarios(twin: Twin) -> Pair | None:
    """Return what the disease says that reports compare, or a start of a treatment against none.

    Where this patient cannot be given both, or nothing is said, it is "start soon" and "do not
    start" for the first treatment that can still start; None if none can. It starts from the
    present state. At the origin, where few start at once, it does so later, and also from the
    states that the present one leads to.

    Examples
    --------
    >>> pair = default_scenarios(fit.twin(fit.cohort.patient_ids[0], at=0))
    >>> [scenario.label for scenario in pair]
    ['allogeneic_transplant on day 120 in induction or remission', 'no allogeneic_transplant']
    """
    graph, present = twin.spec.graph, twin.present[0]
    begun = {name for name, _, _ in present.started}
    if (said := of_the_disease(twin)) is not None:
        return said
    for treatment in graph.treatments:
        if treatment.name in begun:
            continue
        sources = [s.source for s in treatment.starts]
        states = [s for s in (present.state,) if s in sources]
        wait = _WAIT_LATER
        if present.state == graph.initial:
            leaving = [t.target for t in graph.leaving(present.state) if t.target != t.source]
            after = [target for target in leaving if target in sources]
            states += after[:1]
            wait = _WAIT_FROM_START if after else _WAIT_LATER
        if states:
            day = float(np.ceil(present.day + wait))
            start = Scenario.start(treatment.name, day=day, states=states)
            return start, Scenario.none(treatment.name)
    return None


def of_the_disease(twin: Twin) -> Pair | None:
    """The scenarios that the disease names, if this patient can be given both."""
    reporting, present = twin.spec.reporting, twin.present[0]
    if reporting is None or not reporting.scenarios:
        return None
    begun = {name for name, _, _ in present.started}
    pair = pair_of([scenario_from_words(t, present.day) for t in reporting.scenarios])
    for scenario in pair:
        if any(a.treatment in begun for a in scenario.assumptions):
            return None
        try:
            scenario.require_valid(twin.spec.graph, [present.day])
        except ScenarioError:
            return None
    return pair


def require_scenarios_of(spec: ModelSpec) -> None:
    """Refuse scenarios of a disease that are not understood, or name what it does not have.

    Raises
    ------
    ScenarioError, OptionError
        Names the scenario, and the forms or names that there are.

    Examples
    --------
    >>> require_scenarios_of(tb.disease("registry"))
    """
    said = () if spec.reporting is None else spec.reporting.scenarios
    if not said:
        return
    graph = spec.graph
    for scenario in pair_of([scenario_from_words(text, 0.0) for text in said]):
        for assumption in scenario.assumptions:
            treatment = graph.treatment(assumption.treatment)
            sources = [start.source for start in treatment.starts]
            for state in assumption.states:
                require_known(state, sources, f"state in which {treatment.name!r} may start")


def pair_of(scenarios: Sequence[Scenario]) -> Pair:
    """Return two different scenarios.

    Raises
    ------
    ScenarioError, OptionError
        Not two, or twice the same.
    """
    if len(scenarios) != 2:
        raise ScenarioError(f"Two scenarios are compared, not {len(scenarios)}.")
    if scenarios[0] == scenarios[1]:
        raise OptionError("The two scenarios are the same.")
    return scenarios[0], scenarios[1]


def scenario_from_words(text: str, landmark: float | None = None) -> Scenario:
    """Read a scenario as its label says it.

    Parameters
    ----------
    text
        Such as ``"no drug"``, ``"drug on day 120 in remission or relapse"`` (days since origin),
        ``"drug after 30 days in remission"`` (from the landmark), ``"arm = 1"``, ``"policy"``;
        several with ``" and "`` between.
    landmark
        Day since origin, for days from the landmark.

    Raises
    ------
    ScenarioError
        What is not understood, with the forms that are. Names are looked up in the model later.

    Examples
    --------
    >>> words = "allogeneic_transplant after 30 days in remission"
    >>> scenario_from_words(words, landmark=0.0).label
    'allogeneic_transplant on day 30 in remission'
    """
    if text.strip() in ("policy", Scenario.policy().label):
        return Scenario.policy()
    first, *others = (_part(part.strip(), text, landmark) for part in text.split(" and "))
    for other in others:
        first = first & other
    return first


def _part(part: str, whole: str, landmark: float | None) -> Scenario:
    if part.startswith("no ") and len(part.split()) == 2:
        return Scenario.none(part.split()[1])
    if start := _START.fullmatch(part):
        states = (start["states"] or "").split(" or ")
        if start["wait"] is not None and landmark is None:
            raise ScenarioError(
                f"Scenario {whole!r}: days from the landmark need one. Give it (`--at`), or write "
                "'on day DAY', days since origin."
            )
        try:
            wait = start["wait"]
            day = float(start["day"]) if wait is None else (landmark or 0.0) + float(wait)
        except ValueError:
            day = np.nan
        if np.isfinite(day):
            return Scenario.start(start["name"], day=day, states=[s for s in states if s])
    elif setting := _SETTING.fullmatch(part):
        try:
            return Scenario.given(setting["name"], float(setting["value"]))
        except ValueError:
            return Scenario.given(setting["name"], setting["value"])
    raise ScenarioError(f"Scenario {whole!r}: {part!r} is not understood. Write {_FORMS}.")


def scenarios_to_json(scenarios: Sequence[Scenario]) -> str:
    """Write scenarios as text, for a notebook's parameter.

    Examples
    --------
    >>> text = scenarios_to_json([tb.Scenario.none("allogeneic_transplant")])
    >>> scenarios_from_json(text)[0].label
    'no allogeneic_transplant'
    """
    return json.dumps(
        [
            {
                "label": s.label,
                "assumptions": [
                    {"treatment": a.treatment, "day": a.day, "states": list(a.states)}
                    for a in s.assumptions
                ],
                "settings": [[x.covariate, x.value] for x in s.settings],
            }
            for s in scenarios
        ]
    )


def scenarios_from_json(text: str) -> tuple[Scenario, ...] | None:
    """Read what `scenarios_to_json` wrote; an empty text means the default ones.

    Raises
    ------
    ScenarioError
        If the text is anything else.

    Examples
    --------
    >>> text = scenarios_to_json([tb.Scenario.none("allogeneic_transplant")])
    >>> scenarios_from_json(text) == (tb.Scenario.none("allogeneic_transplant"),)
    True
    """
    if text == "":
        return None
    try:
        return tuple(_scenario(r["assumptions"], r["settings"]) for r in json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        if isinstance(error, ScenarioError):
            raise
        raise ScenarioError(
            "scenarios: the text is not what `scenarios_to_json` writes. Leave it empty for the "
            "default ones."
        ) from error


def _scenario(
    assumptions: Sequence[dict[str, Any]], settings: Sequence[tuple[str, Any]]
) -> Scenario:
    parts = [
        Scenario.none(a["treatment"])
        if a["day"] is None
        else Scenario.start(a["treatment"], day=a["day"], states=tuple(a["states"]))
        for a in assumptions
    ]
    parts += [Scenario.given(covariate, value) for covariate, value in settings]
    result = Scenario.policy()
    for k, part in enumerate(parts):
        result = part if k == 0 else result & part
    return result
