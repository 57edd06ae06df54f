"""Fits without patients: what may leave a centre and forecasts other people all the same."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes import names
from twinbayes.cohort import Cohort
from twinbayes.cohort.newcomer import described_patient
from twinbayes.errors import FitError, StorageError, TwinError
from twinbayes.inference.drawn import Drawn, Movable
from twinbayes.inference.files.archive import described_learnt, stored_learnt, with_description
from twinbayes.inference.files.provenance import (
    bars_of,
    require_draws,
    with_content,
    with_whole_run,
)
from twinbayes.inference.files.sealed import write_tree
from twinbayes.inference.gate.verdict import Verdict, judge
from twinbayes.inference.thinning import draws_words
from twinbayes.inference.twins_of_fit import TwinsOfFit, twins_of_fit
from twinbayes.model import Learnt, ModelSpec
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.priors import PriorSet
from twinbayes.showing import facts, judged

SHARED: Final = "without_patients"
"""What the description of such a fit holds beside model and priors."""

POPULATION_DIMS: Final = (
    names.CHAIN, names.DRAW, names.SUBGROUP, names.CENTRE, names.TRANSITION, names.WINDOW,
    names.COVARIATE, names.COVARIATE_GROUP, names.EFFECT, names.ENTRY_ERA, names.ENTRY_CUT,
    names.FRAILTY_OTHER, names.TIME_VARYING, names.TIME_VARYING_WINDOW, names.RECURRENT_EVENT,
    names.MARKER, names.MARKER_WITH_ERROR, names.MARKER_WITH_WAVES, names.COUNT_MARKER,
    names.CURVE_TERM, names.CURVE_WAVE, names.CURVE_LINE, names.PATIENT_TERM,
    names.PATIENT_TERM_AGAIN, names.CURVE_COVARIATE, names.ASSOCIATION,
    *(f"{names.EFFECT}_{kind}" for kind in POOLINGS),
)  # fmt: skip
"""Dims of what is shared: a variable with any other stays behind, and so do hidden variables."""

_STATISTICS: Final = (
    "diverging", "energy", "lp", "step_size", "n_steps", "tree_depth", "acceptance_rate",
)  # fmt: skip
_OF_PATIENTS: Final = (
    "cohort", "plan", "weights", "set_aside", "laid_out", "log_likelihood", "with_groups", "trails",
    "replicated_measurements", "has_seen", "thinned", "require_all_patients", "subgroups",
    "centres",
)  # fmt: skip
_DICTIONARY: Final = ("name", "table", "role", "group", "unit", "min", "max", "levels")
_OPTIONAL: Final = (names.GENOMICS, names.VISITS, names.TREATMENTS)


@dataclass(frozen=True, repr=False)
class SharedFit(Drawn, Movable):
    """A posterior without the patients that it was learnt from.

    It holds no record, no identifier and no effect of a patient, and forecasts people whom the fit
    has not seen, to the last bit as the whole fit does if their covariates are known. Missing ones
    are foreseen from covariances that are made coarse, so that they tell of no patient
    (`NormalModel.coarse`); forecasts then differ by about what these covariances are uncertain by.
    What stays behind cannot be asked here: twins of the fit's own patients, reviews, similar
    patients, support of treatment effects.

    What a model learns before sampling stays in it, since forecasts need it: means and spreads of
    covariates (shares of carriers, that is), names of subgroups and centres, and knots and windows,
    which are days of events and values of somebody, though nothing says of whom. Draws of a
    posterior from few patients say something of each of them. `twinbayes inspect` says what is in
    a file.

    Attributes
    ----------
    spec, priors, learnt
        The model, the priors, and what the model learnt before sampling.
    datatree
        Groups ``posterior`` and ``sample_stats``: variables whose dims are all among
        `POPULATION_DIMS`.
    verdict
        Of the kept draws and of the whole run, the worse one.
    manifest
        Provenance of the whole fit.
    described
        A cohort of nobody: the variables, to describe people by.
    followed
        By state, the last day on which at least five patients were followed who had been in it.
        Forecasts beyond it say so; the whole fit says it beyond its very last patient.

    Examples
    --------
    >>> shared = fit.without_patients()
    >>> person = shared.new_patient(subgroup="acute_erythroid", covariates={"age_years": 71})
    >>> shared.twin(person).forecast(until=365.25).sizes["patient"]
    1
    """

    spec: ModelSpec
    priors: PriorSet = field(repr=False)
    datatree: xr.DataTree = field(repr=False)
    verdict: Verdict
    manifest: Mapping[str, Any] = field(repr=False)
    learnt: Learnt = field(repr=False)
    described: Cohort = field(repr=False)
    followed: Mapping[str, float] = field(repr=False)

    def __repr__(self) -> str:
        """Verdict, model and draws in a few lines."""
        return (
            f"Fit of {self.spec.name!r} without patients: {self.verdict.headline()}\n"
            f"  priors: {self.priors.label}, {len(self.priors)} entries\n"
            f"  draws: {draws_words(self.datatree)}"
        )

    def _repr_html_(self) -> str:
        told = {
            "priors": f"{self.priors.label}, {len(self.priors)} entries",
            "draws": draws_words(self.datatree),
        }
        head = judged(self.verdict.usable, self.verdict.banner())
        return head + facts(f"Fit of {self.spec.title} ({self.spec.name}), without patients", told)

    def new_patient(
        self, *, subgroup: str, covariates: Mapping[str, object], **record: Any
    ) -> Cohort:
        """Return a cohort of one person, described in the variables of the fit.

        Parameters
        ----------
        subgroup
            One that the fit has learnt of: see ``learnt.encoding.subgroups``.
        covariates, record
            As of `new_patient`. Of a fit that was moved to a new place, `centre` is that place
            unless another is given.

        Raises
        ------
        OptionError, CohortError
            As `new_patient`.
        """
        known = self.learnt.encoding
        if self.manifest.get(names.TRANSPORT, {}).get("centres"):
            record.setdefault("centre", known.centres[0])
        return described_patient(
            self.described, known.subgroups, known.centres,
            subgroup=subgroup, covariates=covariates, **record,
        )  # fmt: skip

    def twin(self, who: Cohort, *, at: float | None = None, draws: int | None = None) -> Any:
        """Return the twin of people whom the fit has not seen; see `Fit.twin`.

        Parameters
        ----------
        who
            Their cohort, as from `read_cohort` or `new_patient`.
        at
            Landmark day since origin; default: each patient's last day known.
        draws
            Thin the posterior to this many draws; default: all.

        Raises
        ------
        TwinError
            No cohort: this fit has no patients to name.
        ModelError, OptionError
            As `Fit.twin`.

        Notes
        -----
        It cannot know whom it has seen. Of somebody whose record the posterior was learnt from,
        that record would be used twice: ask the whole fit about its own patients.
        """
        if not isinstance(who, Cohort):
            raise TwinError(
                "This fit holds no patients who could be named. Give a Cohort, of new_patient or "
                "read_cohort, or ask the fit that it was made of."
            )
        return self._twins.twin(who, at, draws)

    def __getattr__(self, name: str) -> Any:
        """Say why something of a fit is not here."""
        if name in _OF_PATIENTS:
            raise FitError(
                f"A fit without patients has no {name!r}: what rests on their records stays with "
                "the whole fit. Ask it of the fit that this one was made of."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def _twins(self) -> TwinsOfFit:
        if "_made" not in self.__dict__:
            self.__dict__["_made"] = twins_of_fit()(self)
        made: TwinsOfFit = self.__dict__["_made"]
        return made

    def save(self, path: str | os.PathLike[str], *, key: bytes | None = None) -> Path:
        """Write one self-contained file of draws, model, priors and manifest; no patient.

        Parameters
        ----------
        path
            The file; an earlier one of that name is replaced.
        key
            As of `Fit.save`.
        """
        variables = self.described.variables.to_json(orient="split", index=False)
        shared = {
            "variables": json.loads(variables),
            "tables": [name for name in _OPTIONAL if name in self.described.tables],
            "simulated": self.described.simulated,
            "followed": dict(self.followed),
        }
        extra = {**described_learnt(self.learnt), SHARED: shared}
        tree = with_description(self.datatree, self.spec.to_dict(), self.priors, extra)
        return write_tree(path, tree, with_content(self.manifest, tree), key=key)

    def without_patients(self) -> SharedFit:
        """Return itself."""
        return self

    def describe(self) -> str:
        """The model in formulae, and the verdict, as text."""
        return f"{self.spec.describe()}\n\nVerdict: {self.verdict.banner()}"


def shared_draws(tree: xr.DataTree) -> xr.DataTree:
    """Keep of a fit's draws what is of the population: nothing with a dim that is not listed."""
    groups = {
        names.POSTERIOR: _of_population(tree[names.POSTERIOR].to_dataset()),
        names.SAMPLE_STATS: _of_population(tree[names.SAMPLE_STATS].to_dataset()),
    }
    known = groups[names.SAMPLE_STATS]
    groups[names.SAMPLE_STATS] = known[[name for name in _STATISTICS if name in known]]
    return xr.DataTree.from_dict({name: group.drop_attrs() for name, group in groups.items()})


def share(
    spec: ModelSpec,
    priors: PriorSet,
    tree: xr.DataTree,
    manifest: Mapping[str, Any],
    learnt: Learnt,
    cohort: Cohort,
    followed: Mapping[str, float],
) -> SharedFit:
    """Make what `Fit.without_patients` returns."""
    draws = shared_draws(tree)
    curves = learnt.curves
    learnt = replace(
        learnt,
        encoding=learnt.encoding.coarse(cohort),
        curves=curves and replace(curves, encoding=curves.encoding.coarse(cohort)),
    )
    tables = [name for name in _OPTIONAL if name in cohort.tables]
    bare = _nobody(spec.name, cohort.variables, tables, cohort.simulated)
    judgement = judge(draws, constants=spec.constants(learnt), **bars_of(manifest))
    verdict = with_whole_run(judgement, manifest)
    return SharedFit(spec, priors, draws, verdict, manifest, learnt, bare, followed)


def unpack_shared(
    text: Mapping[str, Any], priors: PriorSet, draws: xr.DataTree, manifest: Mapping[str, Any]
) -> SharedFit:
    """Rebuild a fit without patients from its description and draws.

    Raises
    ------
    StorageError
        There is something in it that cannot be of a population.
    """
    spec, learnt, shared = ModelSpec.from_dict(text["spec"]), stored_learnt(text), text[SHARED]
    if not _is_of_population(draws):
        raise StorageError(
            "The file says that it holds no patients, and has draws that are not of the "
            "population. Make it again with Fit.without_patients."
        )
    require_draws(draws, manifest, {
        names.SUBGROUP: learnt.encoding.subgroups,
        names.CENTRE: _centres(learnt),
        names.TRANSITION: spec.graph.labels,
    })  # fmt: skip
    found = shared["variables"]
    variables = pd.DataFrame(found["data"], columns=found["columns"])
    variables = variables.astype({c: float for c in ("min", "max") if c in variables})
    days = list(shared["followed"].values())
    if (
        set(shared["tables"]) - set(_OPTIONAL)
        or set(shared["followed"]) - set(spec.graph.states)
        or not all(isinstance(day, float) and 0.0 <= day < np.inf for day in days)
        or not {*_DICTIONARY} <= {*variables.columns}
    ):
        raise StorageError("Tables, variables, states or days are not those of a fit.")
    _require_learnt(spec, learnt)
    bare = _nobody(spec.name, variables, shared["tables"], bool(shared["simulated"]))
    judgement = judge(draws, constants=spec.constants(learnt), **bars_of(manifest))
    verdict = with_whole_run(judgement, manifest)
    followed = {str(state): float(day) for state, day in shared["followed"].items()}
    return SharedFit(spec, priors, draws, verdict, manifest, learnt, bare, followed)


def _centres(learnt: Learnt) -> tuple[str, ...]:
    """Centres of hazards and of curves: where hazards were moved, curves know the old ones."""
    curves = () if learnt.curves is None else learnt.curves.encoding.centres
    return tuple(dict.fromkeys((*learnt.encoding.centres, *curves)))


def _of_population(group: xr.Dataset) -> xr.Dataset:
    """Variables whose dims are all those of a population, and their labels."""
    known = {*POPULATION_DIMS}
    kept = [name for name, v in group.data_vars.items() if {*map(str, v.dims)} <= known]
    some = group[kept]
    labels = [name for name, c in some.coords.items() if name in some.dims and c.dims == (name,)]
    return some.reset_coords(drop=True).assign_coords({name: group[name] for name in labels})


def _nobody(name: str, variables: pd.DataFrame, tables: Collection[str], simulated: bool) -> Cohort:
    """A cohort without a row; its variables say what would be in it."""

    def empty(*columns: str) -> pd.DataFrame:
        return pd.DataFrame({c: pd.Series(dtype=object) for c in (names.PATIENT_ID, *columns)})

    has = set(tables)
    return Cohort(
        name=name,
        patients=empty(names.SUBGROUP, names.CENTRE),
        events=empty(names.DAY, names.EVENT),
        variables=variables.reset_index(drop=True),
        genomics=empty() if names.GENOMICS in has else None,
        visits=empty(names.DAY, names.MARKER) if names.VISITS in has else None,
        treatments=empty("start_day", names.TREATMENT) if names.TREATMENTS in has else None,
        simulated=simulated,
    )


def _is_of_population(draws: xr.DataTree) -> bool:
    """Whether there is nothing but variables of a population: no other group, no remark."""
    if draws.attrs or set(draws.children) - {names.POSTERIOR, names.SAMPLE_STATS}:
        return False
    for group in draws.children.values():
        variables = group.to_dataset().variables.values()
        if group.children or group.attrs or any(v.attrs for v in variables):
            return False
        if any(set(map(str, v.dims)) - set(POPULATION_DIMS) for v in variables):
            return False
    return True


def _require_learnt(spec: ModelSpec, learnt: Learnt) -> None:
    """Refuse columns, covariances or windows with which nobody could be forecast.

    Raises
    ------
    StorageError
        Says what.
    """
    encodings = [learnt.encoding, *([] if learnt.curves is None else [learnt.curves.encoding])]
    for encoding in encodings:
        p, normal = len(encoding.columns), encoding.normal
        whole = normal.mean.shape == (p,) and normal.covariance.shape == (p, p)
        if (
            not whole
            or not np.all(np.isfinite(normal.covariance))
            or not np.all(np.isfinite(normal.mean))
        ):
            raise StorageError("The covariances of the covariates are not those of the columns.")
        if p and not float(np.linalg.eigvalsh(normal.covariance).min()) > 0.0:
            raise StorageError("The covariances of the covariates are those of no covariates.")
    edges = learnt.edges
    if len(edges) != len(spec.graph.labels) or not all(
        len(e) > 1 and e[0] >= 0.0 and np.all(np.diff(e) > 0.0) for e in edges
    ):
        raise StorageError("The windows of the hazards are not those of the model.")
