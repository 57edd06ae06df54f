"""Names that sites have among their patients: the one thing that leaves a site unmasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.model import ModelSpec
from twinbayes.model.covariates.terms import CovariateTerm, Group, Interaction, Term


@dataclass(frozen=True)
class Labels:
    """Names that sites have among their patients.

    Attributes
    ----------
    subgroups, centres
        Of patients.
    units
        Of each covariate that the model asks for; None where it has none.
    levels
        Of each covariate with levels: those of the dictionary, whether or not a patient has them,
        then others.
    carriers
        Of each covariate group of the model, the covariates in it.
    """

    subgroups: tuple[str, ...]
    centres: tuple[str, ...]
    units: Mapping[str, str | None]
    levels: Mapping[str, tuple[str, ...]]
    carriers: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, spec: ModelSpec, cohort: Cohort, minimum: int) -> Labels:
        """Find them in one cohort.

        Raises
        ------
        FederationError
            The cohort lacks a covariate of the model, or has levels of fewer than `minimum`
            patients that its dictionary does not declare: they may be free text.
        """
        variables, table = cohort.variables, cohort.covariates()
        groups = {t.group for t in spec.events.covariates if isinstance(t, Group)}
        mine = variables[variables["role"] == "covariate"]
        carriers = {g: tuple(mine.loc[mine["group"] == g, "name"]) for g in sorted(groups)}
        names = dict.fromkeys([*names_of(spec.events.covariates), *sum(carriers.values(), ())])
        if absent := sorted(set(names) - set(table.columns)):
            raise FederationError(
                f"The covariates {', '.join(map(repr, absent))} of this study are not in the "
                "site's cohort. Add the columns, blank where unknown."
            )
        unit = dict(zip(variables["name"], variables["unit"], strict=True))
        levels, free = {}, []
        for term in spec.events.covariates:
            if isinstance(term, Term) and term.transform == "category":
                declared = variables.loc[variables["name"] == term.name, "levels"].dropna()
                order = str(declared.iloc[0]).split("|") if len(declared) else []
                found = table[term.name].dropna().astype(str).value_counts()
                rest = found[~found.index.isin(order)]
                levels[term.name] = (*order, *sorted(map(str, rest.index)))
                if (rest < minimum).any():
                    free.append(term.name)
        if free:
            raise FederationError(
                f"Levels of {', '.join(map(repr, free))} would leave by name, and some have fewer "
                f"than {minimum} patients here and are not declared. Declare the levels in the "
                "variables table (levels, as 'female|male'), or join them."
            )
        return cls(
            tuple(sorted(cohort.subgroups)),
            tuple(sorted(cohort.centres)),
            {name: _text(unit.get(name)) for name in names},
            levels,
            carriers,
        )

    @classmethod
    def joined(cls, each: Mapping[str, Labels]) -> Labels:
        """Join those of all sites.

        Raises
        ------
        FederationError
            Sites have different units, or name other covariates in a group.
        """
        first_name, first = next(iter(each.items()))
        levels: dict[str, tuple[str, ...]] = {}
        for name, one in each.items():
            for what in ("units", "carriers"):
                mine, theirs = getattr(one, what), getattr(first, what)
                for key in sorted({*mine, *theirs}):
                    if mine.get(key) != theirs.get(key):
                        raise FederationError(
                            f"Sites disagree on the {what} of {key!r}: {first_name} has "
                            f"{theirs.get(key)!r}, {name} has {mine.get(key)!r}. Convert the data "
                            "of one of them, and begin the study again."
                        )
            for key, found in one.levels.items():
                before = levels.get(key, ())
                levels[key] = (*before, *(x for x in found if x not in before))
        return cls(
            tuple(sorted({s for one in each.values() for s in one.subgroups})),
            tuple(sorted({c for one in each.values() for c in one.centres})),
            first.units,
            levels,
            first.carriers,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data; `from_dict` undoes it."""
        return {
            "subgroups": list(self.subgroups),
            "centres": list(self.centres),
            "units": dict(self.units),
            "levels": {k: list(v) for k, v in self.levels.items()},
            "carriers": {k: list(v) for k, v in self.carriers.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Labels:
        """Read what `to_dict` wrote.

        Raises
        ------
        FederationError
            It is something else.
        """
        try:
            lists = {
                key: {str(k): tuple(map(str, v)) for k, v in data[key].items()}
                for key in ("levels", "carriers")
            }
            return cls(
                tuple(map(str, data["subgroups"])),
                tuple(map(str, data["centres"])),
                {str(k): None if v is None else str(v) for k, v in data["units"].items()},
                lists["levels"],
                lists["carriers"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FederationError("The labels of a site cannot be read.") from error


def names_of(terms: Sequence[CovariateTerm]) -> list[str]:
    """Covariates of terms by name; those of groups are not among them."""
    out: list[str] = []
    for term in terms:
        if isinstance(term, Interaction):
            out += term.names
        elif isinstance(term, Term):
            out.append(term.name)
    return out


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
