"""Treatments that are baseline covariates: hazard ratios of a patient given another value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError, ScenarioError
from twinbayes.model import Learnt, ModelSpec
from twinbayes.model.covariates.design import Encoding
from twinbayes.twin.scenario import Setting
from twinbayes.twin.weighting.patient_draws import PatientDraws


@dataclass(frozen=True)
class DesignChange:
    """What settings change in the design of some patients.

    Attributes
    ----------
    columns
        Columns of the design that change.
    by
        (patient, column) by how much.
    """

    columns: Ints
    by: Floats

    def log_ratio(self, i: int, coef: Floats) -> Floats:
        """(intensity, draw) what the settings add to the log hazards of patient `i`.

        Parameters
        ----------
        coef
            (column, intensity, draw), as `Population` has them.
        """
        out = np.zeros(coef.shape[1:])
        for k, step in zip(self.columns, self.by[i], strict=True):
            out += step * coef[k]
        return out

    def of(self, i: int, drawn: PatientDraws) -> PatientDraws:
        """Give patient `i` the covariates that are set; all else of the patient stays.

        The draws, their weights, what was drawn for missing covariates and the curves are those of
        the record as it is, so that two scenarios are paired draw by draw.
        """
        population = drawn.population
        index = slice(None) if drawn.weights is None else drawn.weights.index
        log_ratio = self.log_ratio(i, population.coef[..., index])
        ratios = replace(drawn.ratios, hazard=drawn.ratios.hazard * np.exp(log_ratio))
        if (walks := population.walks) is not None:
            for effect in walks.effects:
                # 1 for a new carrier, or -1
                for step in self.by[i, self.columns == effect.column]:
                    walk = step * walks.log_ratio[effect.rows, 0][:, index]
                    population = population.under(effect, walk)
        return replace(drawn, population=population, ratios=ratios)


def change_in(
    encoding: Encoding,
    table: pd.DataFrame,
    settings: tuple[Setting, ...],
    elsewhere: tuple[str, ...] = (),
) -> DesignChange:
    """Return what settings change in the columns of an encoding.

    Parameters
    ----------
    encoding
        Columns of the hazards.
    table
        Covariates as they are, one row a patient.
    settings
        Covariates and their values.
    elsewhere
        Covariates that act on more than hazards, and cannot be set.

    Raises
    ------
    ScenarioError
        A covariate that the model has not, or has elsewhere than in the hazards; one whose own
        value is missing in some patient; or a value other than 0 and 1 for one that is 0/1.
    """
    known = tuple(dict.fromkeys(s for c in encoding.columns for s in c.sources))
    zero_one = {c.sources[0] for c in encoding.columns if c.is_binary and len(c.sources) == 1}
    new = table.copy()
    for setting in settings:
        _require_settable(setting, known, elsewhere, table)
        is_number = not isinstance(setting.value, str)
        if is_number and setting.covariate in zero_one and setting.value not in (0, 1):
            raise ScenarioError(
                f"{setting.covariate!r} is 0 or 1 in every patient of the fit; it cannot be given "
                f"{setting.value!r}. Give 0 or 1."
            )
        new[setting.covariate] = _cells(setting, table[setting.covariate])
    named = {s.covariate for s in settings}
    columns = [k for k, c in enumerate(encoding.columns) if named & set(c.sources)]
    by = np.zeros((len(table), len(columns)))
    for j, k in enumerate(columns):
        column = encoding.columns[k]
        try:
            by[:, j] = column.encode(new) - column.encode(table)
        except ModelError as error:
            raise ScenarioError(f"A scenario cannot give this value: {error}") from error
        unknown = int(np.isnan(by[:, j]).sum())
        if unknown:
            raise ScenarioError(
                f"Column {column.label!r} is missing in {unknown} patient(s), so what the "
                "scenario changes there is not known. Leave these patients out."
            )
    return DesignChange(np.array(columns, dtype=np.int64), by)


def _require_settable(
    setting: Setting, known: tuple[str, ...], elsewhere: tuple[str, ...], table: pd.DataFrame
) -> None:
    name = setting.covariate
    if name not in known:
        raise ScenarioError(
            f"Unknown covariate {name!r}. This model has "
            f"{', '.join(map(repr, known)) or 'none in its hazards'}."
        )
    if name in elsewhere:
        raise ScenarioError(
            f"{name!r} also acts on curves or on how hazards follow them, which were estimated "
            "under the value each patient had. Use a model in which it acts on hazards alone, or "
            "build twins of patients with another value of it."
        )
    is_text = not pd.api.types.is_numeric_dtype(table[name])
    if is_text != isinstance(setting.value, str):
        kind = "the name of a level" if is_text else "a number"
        raise ScenarioError(f"{name!r} must be given {kind}, not {setting.value!r}.")


def _cells(setting: Setting, like: pd.Series) -> pd.Series:
    dtype = object if isinstance(setting.value, str) else float
    return pd.Series([setting.value] * len(like), index=like.index, dtype=dtype)


def acting_elsewhere(spec: ModelSpec, learnt: Learnt) -> tuple[str, ...]:
    """Covariates that act on curves, or on how hazards follow curves."""
    found = {a.by for a in spec.associations if a.by is not None}
    if learnt.curves is not None:
        found |= {s for c in learnt.curves.encoding.columns for s in c.sources}
    return tuple(sorted(found))
