"""What pages show of one fit: its patients under pseudonyms, and their forecasts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import part_words
from twinbayes.errors import StorageError, TwinError
from twinbayes.inference import Fit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.model.courses.reporting import Reporting
from twinbayes.names import (
    CENTRE,
    DAYS_PER_YEAR,
    FOLLOWED_UNTIL,
    NEEDS_REFIT,
    SUBGROUP,
    TIME,
)
from twinbayes.report.patient.evidence import days_shown, default_quality
from twinbayes.report.patient.scenarios import Pair, default_scenarios
from twinbayes.serve.access import Person
from twinbayes.serve.explorer.inputs import used_of
from twinbayes.serve.explorer.outlook import Comparison, Outlook, PatientRow
from twinbayes.serve.explorer.resting import support_of_pair
from twinbayes.serve.explorer.updates import ChangedError, News, UpdateLog
from twinbayes.showing import brief
from twinbayes.twin import Quality, Scenario, Twin
from twinbayes.twin.updates.replay import record_fingerprint

_KEPT: Final = 64  # answers
_STEPS: Final = 60
_ENDED: Final = "The record has ended: there is nothing to forecast."
_YEARS: Final = (1.0, 3.0, 5.0)
INTERVAL: Final = 0.9
LONGEST_WAIT: Final = 3650.0  # days from the landmark to a start of treatment


@brief
@dataclass(frozen=True, eq=False)
class Explorer:
    """The patients of a cohort under one fit, behind pseudonyms.

    Pseudonyms hang on a secret and on the identifier, so that addresses stay the same and tell
    nobody who is meant. Answers are kept, a few at a time.

    Attributes
    ----------
    fit
        The fit.
    cohort
        The patients; by default those of the fit.
    secret
        Of pseudonyms and forms.
    updates
        Of records, as people have confirmed them; None where nothing can be kept.

    Examples
    --------
    >>> explorer = Explorer(fit, fit.cohort, b"a secret of the house")  # doctest: +SKIP
    >>> explorer.outlook(explorer.rows[0].pseudonym).horizons  # doctest: +SKIP
    (365.25, 1095.75, 1826.25)
    """

    fit: Fit
    cohort: Cohort
    secret: bytes = field(repr=False)
    updates: UpdateLog | None = None
    _answers: OrderedDict[tuple[Any, ...], Any] = field(default_factory=OrderedDict, repr=False)
    _one_at_a_time: Any = field(default_factory=RLock, repr=False)

    def pseudonym(self, patient_id: str) -> str:
        """What a patient is called in addresses, in the audit log, and to most roles."""
        digest = hmac.new(self.secret, patient_id.encode(), hashlib.sha256).digest()
        return "p-" + base64.b32encode(digest[:10]).decode().lower()

    @property
    def rows(self) -> tuple[PatientRow, ...]:
        """Every patient, at the last day known, in the order of the cohort."""
        return tuple(self.by_pseudonym.values())

    @cached_property
    def by_pseudonym(self) -> dict[str, PatientRow]:
        """The rows, by pseudonym."""
        found = {row.pseudonym: row for row in self._rows_of(self.fit.twin(self.cohort))}
        for record in self._records.values():
            (row,) = self._rows_of(self.fit.twin(record))
            found[row.pseudonym] = row
        return found

    @cached_property
    def _records(self) -> dict[str, Cohort]:
        """By identifier: the records that are longer than those of the cohort."""
        twins = {} if self.updates is None else self.updates.records_of(self.fit, self.cohort)
        return {patient: twin.cohort for patient, twin in twins.items()}

    def _record(self, patient_id: str) -> Cohort:
        known = self._records.get(patient_id)
        return self.cohort.select([patient_id]) if known is None else known

    def _rows_of(self, twins: Twin) -> tuple[PatientRow, ...]:
        table = twins.cohort.patients.set_index("patient_id")
        used = [name for name in twins.cohort.covariates().columns if name in used_of(self.fit)]
        missing = twins.cohort.covariates()[used].isna().sum(axis=1).to_numpy()
        absorbing = self.fit.spec.graph.absorbing
        return tuple(
            PatientRow(
                self.pseudonym(one),
                one,
                str(table.loc[one, SUBGROUP]),
                str(table.loc[one, CENTRE]),
                present.state,
                present.day,
                present.state in absorbing,
                int(missing[i]),
            )
            for i, (one, present) in enumerate(zip(twins.patient_ids, twins.present, strict=True))
        )

    @cached_property
    def fit_hash(self) -> str:
        """Of what is known of the fit: its manifest."""
        return manifest_hash(self.fit.manifest)

    @cached_property
    def subgroup_sizes(self) -> Mapping[str, str]:
        """Patients of the fit in each subgroup, as they may be shown."""
        cohort = self.fit.cohort
        sizes = cohort.patients[SUBGROUP].value_counts().reindex([*cohort.subgroups])
        return dict(zip(map(str, sizes.index), part_words(sizes), strict=True))

    @cached_property
    def quality(self) -> Quality | None:
        """What a day alive counts; None where neither the disease nor a marker says it."""
        return default_quality(self.fit)

    @property
    def horizon(self) -> float:
        """Days that forecasts look ahead."""
        return float((self.fit.spec.reporting or Reporting()).horizon_years * DAYS_PER_YEAR)

    def days_shown(self, row: PatientRow) -> float:
        """Days that the disease lets forecasts of a patient look ahead; none if not above 0."""
        followed = self._followed_for.get(row.pseudonym)
        return days_shown(self.fit.spec.reporting or Reporting(), followed, self.horizon)

    @cached_property
    def _followed_for(self) -> dict[str, float]:
        followed = self.fit.twin(self.cohort).followed_for
        days = () if followed is None else map(float, followed)
        found = dict(zip(self.by_pseudonym, days, strict=followed is not None))
        for patient, record in self._records.items():
            found |= self._followed(patient, self.fit.twin(record))
        return found

    def _followed(self, patient_id: str, twin: Twin) -> dict[str, float]:
        days = twin.followed_for
        return {} if days is None else {self.pseudonym(patient_id): float(days[0])}

    def treatments(self, twin: Twin) -> tuple[str, ...]:
        """Those that can still start from the present state."""
        present, graph = twin.present[0], self.fit.spec.graph
        begun = {name for name, _, _ in present.started}
        return tuple(
            t.name
            for t in graph.treatments
            if t.name not in begun and present.state in [s.source for s in t.starts]
        )

    def reachable(self, outlook: Outlook) -> tuple[str, ...]:
        """States that the patient is in, or may yet come to."""
        graph, found = self.fit.spec.graph, [outlook.twin.present[0].state]
        for state in found:  # grows on the way
            found += [t.target for t in graph.leaving(state) if t.target not in found]
        return tuple(s for s in graph.states if s in found)

    def outlook(self, pseudonym: str) -> Outlook:
        """Forecast one patient from the last day known.

        Raises
        ------
        TwinError
            Nobody has this pseudonym, or the record has ended.
        """
        return self._kept(("outlook", pseudonym), lambda: self._outlook(pseudonym))

    def _outlook(self, pseudonym: str) -> Outlook:
        row = self.by_pseudonym.get(pseudonym)
        if row is None:
            raise TwinError("Nobody is known under this name.")
        if row.has_ended:
            raise TwinError(_ENDED)
        return self._ahead(row, self.fit.twin(self._record(row.patient_id)))

    def newcomer(self, cohort: Cohort) -> Outlook:
        """Forecast one person whom the cohort does not have. Nothing of the answer is kept.

        Raises
        ------
        TwinbayesError
            The model cannot take what is known of the person.
        """
        with self._one_at_a_time:
            return self.ahead(self.fit.twin(cohort))

    def ahead(self, twin: Twin) -> Outlook:
        """Forecast one person from the landmark of a twin. Nothing of the answer is kept.

        Raises
        ------
        TwinError
            The record has ended.
        """
        with self._one_at_a_time:
            (row,) = self._rows_of(twin)
            if row.has_ended:
                raise TwinError(_ENDED)
            return self._ahead(row, twin)

    def keep(self, pseudonym: str, news: News, record: str, person: Person) -> dict[str, Any]:
        """Add what has become known to a record, once it is on disk.

        Parameters
        ----------
        pseudonym
            The patient.
        news
            What was entered.
        record
            Fingerprint of the record that it was entered for.
        person
            Who has confirmed it.

        Returns
        -------
        dict
            The line of the log.

        Raises
        ------
        ChangedError
            The record is another one by now.
        TwinError, CohortError, ModelError
            It cannot be added; see `Twin.update`.
        StorageError
            Nothing can be kept here, or the log is not whole.
        """
        if self.updates is None:
            raise StorageError("Nothing can be kept: the explorer has no file of updates.")
        with self._one_at_a_time:
            row = self.by_pseudonym[pseudonym]
            before = self.fit.twin(self._record(row.patient_id))
            if record_fingerprint(before.cohort) != record:
                raise ChangedError("The record has changed since it was looked at.")
            after = news.added_to(before)
            line = self.updates.add(person, after)
            self._records[row.patient_id] = after.cohort
            twin = self.fit.twin(after.cohort)
            (self.by_pseudonym[pseudonym],) = self._rows_of(twin)
            self._followed_for.update(self._followed(row.patient_id, twin))
            for key in [key for key in self._answers if pseudonym in key]:
                del self._answers[key]
        return line

    def survival(self, cohort: Cohort, day: float, draws: int | None) -> np.ndarray:
        """Mean survival of people whom the cohort does not have, (person,), by so many draws."""
        with self._one_at_a_time:
            found = self.fit.twin(cohort, draws=draws).survival_frame([day])
            return np.asarray(found.to_numpy()[:, 0], dtype=float)

    def _ahead(self, row: PatientRow, twin: Twin) -> Outlook:
        followed, reporting = twin.followed_for, self.fit.spec.reporting or Reporting()
        known = None if followed is None else float(followed[0])
        until = days_shown(reporting, known, self.horizon)
        if until <= 0.0:
            raise TwinError("The disease does not allow forecasts so far beyond the follow-up.")
        horizons = tuple(y * DAYS_PER_YEAR for y in _YEARS if y * DAYS_PER_YEAR <= until)
        horizons = horizons or (until,)
        grid = np.unique([*np.linspace(0.0, until, _STEPS + 1), *horizons])
        counts = self.quality
        forecast = twin.forecast(until, grid, interval=INTERVAL)
        lived = None
        if counts is not None:
            lived = twin.quality_adjusted_time(counts, until, grid, interval=INTERVAL)
        cautions = tuple(self._cautions(row, twin, forecast))
        return Outlook(row, twin, forecast, horizons, cautions, lived)

    def _cautions(
        self, row: PatientRow, twin: Twin, forecast: xr.Dataset
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """What has to be known before numbers are read, the gravest first."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        trust = twin.reliability().iloc[0]
        if bool(trust[NEEDS_REFIT]):
            found.append(("caution.refit", {}))
        size = self.subgroup_sizes.get(row.subgroup, "0")
        if size == "0":
            found.append(("caution.unseen_subgroup", {}))
        elif not size.isdigit():
            found.append(("caution.small_subgroup", {"size": size}))
        if FOLLOWED_UNTIL in forecast.attrs:
            years = float(forecast.attrs[FOLLOWED_UNTIL]) / DAYS_PER_YEAR
            found.append(("caution.beyond", {"years": years}))
        if row.n_missing:
            found.append(("caution.missing", {"n": row.n_missing}))
        if self.fit.cohort.simulated:
            found.append(("caution.simulated", {}))
        return found

    def prepare(self) -> None:
        """Compute what all comparisons share, so that the first who asks does not wait for it."""
        fit, (row, *_) = self.fit, self.rows
        for name in [t.name for t in fit.spec.graph.treatments][:1]:
            pair = (Scenario.start(name, day=row.day), Scenario.none(name))
            support_of_pair(fit.twin(self._record(row.patient_id)), pair, DAYS_PER_YEAR)

    def comparison(self, outlook: Outlook, treatment: str, wait: float) -> Comparison:
        """Start a treatment some days from now, or not at all.

        Raises
        ------
        ScenarioError
            The treatment cannot start.
        """
        key = ("comparison", outlook.row.pseudonym, outlook, treatment, wait)
        return self._kept(key, lambda: self._comparison(outlook, treatment, wait))

    def _comparison(self, outlook: Outlook, treatment: str, wait: float) -> Comparison:
        present = outlook.twin.present[0]
        start = Scenario.start(treatment, day=present.day + wait, states=(present.state,))
        return _compared(outlook, (start, Scenario.none(treatment)))

    def weighed(self, compared: Comparison, utilities: Mapping[str, float]) -> xr.Dataset:
        """The contrast of a comparison, each day alive counted by the state it is lived in.

        Parameters
        ----------
        utilities
            Of every living state, from 0 to 1.
        """
        outlook, weights = compared.outlook, tuple(sorted(utilities.items()))
        twin, grid = outlook.twin, compared.a[TIME].to_numpy()
        quality = Quality(utilities=dict(utilities))

        def make() -> xr.Dataset:
            return twin.contrast(
                *compared.pair, float(grid[-1]), grid, interval=INTERVAL, quality=quality
            )

        return self._kept(("weighed", outlook.row.pseudonym, outlook, compared.pair, weights), make)

    def default_comparison(self, outlook: Outlook) -> Comparison | None:
        """Compare what reports compare by default; None where no treatment can start any more."""
        key = ("default", outlook.row.pseudonym, outlook)
        return self._kept(key, lambda: self._default_comparison(outlook))

    def _default_comparison(self, outlook: Outlook) -> Comparison | None:
        pair = default_scenarios(outlook.twin)
        return None if pair is None else _compared(outlook, pair)

    def _kept[Answer](self, key: tuple[Any, ...], make: Callable[[], Answer]) -> Answer:
        with self._one_at_a_time:
            if key not in self._answers:
                self._answers[key] = make()
                while len(self._answers) > _KEPT:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(key)
            found: Answer = self._answers[key]
            return found


def _compared(outlook: Outlook, pair: Pair) -> Comparison:
    twin, grid = outlook.twin, outlook.forecast[TIME].to_numpy()
    until = float(grid[-1])
    a, b = (twin.forecast(until, grid, scenario=s, interval=INTERVAL) for s in pair)
    contrast = twin.contrast(*pair, until, grid, interval=INTERVAL)
    return Comparison(outlook, pair, a, b, contrast, *support_of_pair(twin, pair, until))
