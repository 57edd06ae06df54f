"""The fail-closed gate: a fit is usable only if nothing speaks against it.

Whatever cannot be computed counts against the fit, never for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from twinbayes.errors import OptionError
from twinbayes.inference.gate.advice import advise, in_short
from twinbayes.inference.gate.diagnostics import MIN_DRAWS, diagnose, ebfmi
from twinbayes.names import CHAIN, DRAW, HIDDEN_POSTERIOR, PATIENT_DIMS, POSTERIOR, SAMPLE_STATS
from twinbayes.showing import frame_table, judged

RHAT_MAX: Final = 1.01
ESS_MIN: Final = 400.0
EBFMI_MIN: Final = 0.3
COLUMNS: Final = (
    "variable", "n_scalars", "n_constant", "max_rhat", "worst_rhat_at", "min_ess_bulk",
    "worst_bulk_at", "min_ess_tail", "worst_tail_at",
)  # fmt: skip
_LISTED: Final = 5  # reasons in the banner; `reasons` has them all
_CONSTANT_SPREAD: Final = 16 * np.finfo(np.float64).eps


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether a fit may be used, and why not.

    Attributes
    ----------
    usable
        True only if every judged quantity passes every bar.
    reasons
        What speaks against use, in plain words; empty when usable.
    table
        One row a variable: number of scalars, of constant ones, worst R-hat and smallest
        effective sample sizes with the place of each.
    summary
        `max_rhat`, `min_ess_bulk`, `min_ess_tail`, `divergences`, `at_max_treedepth`, `min_ebfmi`,
        `chains`, `draws`, `n_scalars`, `n_constant`; NaN where it cannot be computed.
    constants
        Labels of entries with the same value in every draw that were declared to be so.

    Examples
    --------
    >>> fit.verdict.usable, len(fit.verdict.reasons) > 0
    (False, True)
    """

    usable: bool
    reasons: tuple[str, ...]
    table: pd.DataFrame
    summary: Mapping[str, float]
    constants: tuple[str, ...] = ()

    @property
    def advice(self) -> tuple[str, ...]:
        """What to change so that a fit may become usable, at most five things; empty when it is."""
        if self.usable:
            return ()
        return advise(self.table, self.summary, rhat_max=RHAT_MAX, ess_min=ESS_MIN)

    def banner(self) -> str:
        """Return the line every output starts with: "USABLE" or "NOT FOR USE: ..."."""
        if self.usable:
            return "USABLE"
        rest = len(self.reasons) - _LISTED
        more = [f"and {rest} more reasons"] if rest > 0 else []
        return f"NOT FOR USE: {'; '.join([*self.reasons[:_LISTED], *more])}"

    def headline(self) -> str:
        """USABLE, or NOT FOR USE with how the first reason begins, and their number."""
        return in_short(self.reasons)

    def __repr__(self) -> str:
        return f"<Verdict {self.headline()}>"

    def __str__(self) -> str:
        s = self.summary
        change = "".join(f"\nTo change: {advice}." for advice in self.advice)
        return (
            f"{self.banner()}\n{s['n_scalars']:.0f} quantities, {s['chains']:.0f} chains of "
            f"{s['draws']:.0f} draws: R-hat at most {s['max_rhat']:.3f}, effective sample size at "
            f"least {s['min_ess_bulk']:.0f} (bulk) and {s['min_ess_tail']:.0f} (tail), "
            f"{s['divergences']:.0f} divergences, E-BFMI at least {s['min_ebfmi']:.2f}{change}"
        )

    def _repr_html_(self) -> str:
        head, _, detail = str(self).partition("\n")
        return judged(self.usable, head, detail) + frame_table("Diagnostics", self.table)


def judge(
    datatree: xr.DataTree,
    *,
    rhat_max: float = RHAT_MAX,
    ess_min: float = ESS_MIN,
    ebfmi_min: float = EBFMI_MIN,
    constants: Collection[str] = (),
) -> Verdict:
    """Judge whether a sampled posterior may be used.

    Usable means: every sampled and every deterministic quantity is finite, has rank-normalised
    split R-hat (the larger of bulk and folded) at most `rhat_max`, and bulk and tail effective
    sample size at least `ess_min`; no divergent transition; E-BFMI at least `ebfmi_min` in every
    chain (Vehtari et al. 2021, doi:10.1214/20-BA1221; Betancourt 2016, arXiv:1604.00695).

    Parameters
    ----------
    datatree
        Groups `posterior` and `sample_stats` with dims (chain, draw, ...); `hidden_posterior` is
        judged too where it exists.
    rhat_max, ess_min, ebfmi_min
        The bars.
    constants
        Names of variables (`"corr"`) or single entries (`"corr[a, a]"`) that may be constant by
        construction. An entry with one value in every draw has no R-hat; undeclared, it speaks
        against the fit, because a chain that never moved looks the same.

    Returns
    -------
    Verdict

    Raises
    ------
    OptionError
        A name in `constants` is not in the posterior.

    Examples
    --------
    >>> judge(fit.datatree).usable
    False
    """
    judged = [
        _judge_variable(variable)
        for group in (POSTERIOR, HIDDEN_POSTERIOR)
        if group in datatree.children
        for variable in datatree[group].data_vars.values()
    ]
    _require_declared(constants, judged)
    reasons = [] if judged else ["there are no draws: the group 'posterior' is missing or empty"]
    for one in judged:
        reasons += one.reasons(frozenset(constants), rhat_max=rhat_max, ess_min=ess_min)
    reasons += _identical_chains(datatree)
    sampler, sampler_reasons = _judge_sampler(datatree, ebfmi_min)
    table = pd.DataFrame([one.row() for one in judged], columns=COLUMNS)
    summary = {
        "max_rhat": float(table["max_rhat"].max()),
        "min_ess_bulk": float(table["min_ess_bulk"].min()),
        "min_ess_tail": float(table["min_ess_tail"].min()),
        **sampler,
        "n_scalars": float(table["n_scalars"].sum()),
        "n_constant": float(table["n_constant"].sum()),
    }
    reasons += sampler_reasons
    return Verdict(
        usable=not reasons,
        reasons=tuple(reasons),
        table=table.set_index("variable"),
        summary=MappingProxyType(summary),
        constants=tuple(label for one in judged for label in one.labels(one.constant)),
    )


@dataclass(frozen=True)
class _Judged:
    """Diagnostics of one variable, flat over its entries; NaN where there are none."""

    variable: xr.DataArray  # one draw of it, for names and coords
    rhat: NDArray[np.float64]
    ess_bulk: NDArray[np.float64]
    ess_tail: NDArray[np.float64]
    finite: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    chains: int
    draws: int

    @property
    def name(self) -> str:
        return str(self.variable.name)

    def label(self, entry: int) -> str:
        """Name one entry by its coordinates: `beta[age, induction->remission]`.

        Verdicts travel further than records may: patients are numbered, not named.
        """
        if not self.variable.dims:
            return self.name
        places = np.unravel_index(entry, self.variable.shape)
        parts = (names[k] for names, k in zip(self._coordinates, places, strict=True))
        return f"{self.name}[{', '.join(parts)}]"

    @cached_property
    def _coordinates(self) -> list[list[str]]:
        """Names of the entries along each dim."""
        out = []
        for dim, size in self.variable.sizes.items():
            if dim in PATIENT_DIMS:
                out.append([f"patient {k + 1}" for k in range(size)])
            elif dim in self.variable.coords:
                out.append([str(value) for value in self.variable.coords[dim].to_numpy()])
            else:
                out.append([str(k) for k in range(size)])
        return out

    def labels(self, mask: NDArray[np.bool_]) -> list[str]:
        return [self.label(int(entry)) for entry in np.flatnonzero(mask)]

    def row(self) -> tuple[object, ...]:
        """Return the variable's row of the table, in the order of `COLUMNS`."""
        worst = [
            _worst(self.rhat, np.nanargmax),
            _worst(self.ess_bulk, np.nanargmin),
            _worst(self.ess_tail, np.nanargmin),
        ]
        found = [
            part
            for value, entry in worst
            for part in (value, "" if entry is None else self.label(entry))
        ]
        return (self.name, self.finite.size, int(self.constant.sum()), *found)

    def reasons(self, allowed: frozenset[str], *, rhat_max: float, ess_min: float) -> list[str]:
        """Say in words what speaks against this variable."""
        if self.chains == 0:
            return [f"{self.name} is not a number at every chain and draw"]
        if self.draws < MIN_DRAWS:
            return [f"{self.name} has {self.draws} draws a chain, too few to judge"]
        found = [self._say(~self.finite, "is not finite")]
        undeclared = self.constant.copy()
        for entry in np.flatnonzero(self.constant):
            undeclared[entry] = not allowed & {self.name, self.label(int(entry))}
        found.append(self._say(undeclared, "never moves (declare it if constant by construction)"))
        moving = self.finite & ~self.constant
        # Written as "not good" so that an undefined diagnostic counts against the fit.
        if self.chains > 1:
            bad = moving & ~(self.rhat <= rhat_max)
            found.append(self._say(bad, f"has R-hat above {rhat_max:g}", self.rhat, np.argmax))
        for kind, sizes in (("bulk", self.ess_bulk), ("tail", self.ess_tail)):
            bad = moving & ~(sizes >= ess_min)
            text = f"has {kind} effective sample size below {ess_min:g}"
            found.append(self._say(bad, text, sizes, np.argmin))
        return [reason for reason in found if reason]

    def _say(
        self,
        bad: NDArray[np.bool_],
        what: str,
        values: NDArray[np.float64] | None = None,
        worst: Callable[[NDArray[np.float64]], np.intp] = np.argmax,
    ) -> str:
        entries = np.flatnonzero(bad)
        if not entries.size:
            return ""
        entry, note = int(entries[0]), ""
        if values is not None:
            entry = int(entries[worst(values[entries])])
            note = (
                f" (worst {values[entry]:.4g})" if entries.size > 1 else f" ({values[entry]:.4g})"
            )
        more = f" and {entries.size - 1} more of its entries" if entries.size > 1 else ""
        return f"{self.label(entry)}{more} {what}{note}"


def _judge_variable(variable: xr.DataArray) -> _Judged:
    rest = [dim for dim in variable.dims if dim not in (CHAIN, DRAW)]
    sampled = variable.sizes.get(CHAIN, 0) * variable.sizes.get(DRAW, 0) > 0
    if not sampled or variable.dtype.kind not in "biuf":
        one = variable.isel({d: 0 for d in (CHAIN, DRAW) if variable.sizes.get(d)}, drop=True)
        nothing = np.full(one.size, np.nan)
        no = np.zeros(one.size, dtype=np.bool_)
        return _Judged(one, nothing, nothing, nothing, no, no, chains=0, draws=0)
    chains, draws = variable.sizes[CHAIN], variable.sizes[DRAW]
    values = variable.transpose(*rest, CHAIN, DRAW).to_numpy().astype(np.float64)
    one = variable.isel({CHAIN: 0, DRAW: 0}, drop=True)
    values = values.reshape(one.size, chains, draws)
    flat = values.reshape(one.size, chains * draws)
    finite = np.isfinite(flat).all(axis=1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    with np.errstate(invalid="ignore"):
        spread = high - low
    constant = finite & (spread <= _CONSTANT_SPREAD * np.maximum(np.abs(low), np.abs(high)))
    rhat, bulk, tail = np.full((3, flat.shape[0]), np.nan)
    moving = finite & ~constant
    if draws >= MIN_DRAWS and moving.any():
        result = diagnose(values[moving])
        rhat[moving], bulk[moving], tail[moving] = result.rhat, result.ess_bulk, result.ess_tail
    return _Judged(one, rhat, bulk, tail, finite, constant, chains, draws)


def _judge_sampler(datatree: xr.DataTree, ebfmi_min: float) -> tuple[dict[str, float], list[str]]:
    """Judge divergences and energies; a statistic that is not there speaks against the fit."""
    stats = datatree[SAMPLE_STATS] if SAMPLE_STATS in datatree.children else xr.Dataset()
    sizes = (
        {dim: int(datatree[POSTERIOR].sizes.get(dim, 0)) for dim in (CHAIN, DRAW)}
        if (POSTERIOR in datatree.children)
        else {CHAIN: 0, DRAW: 0}
    )
    found = {"divergences": np.nan, "at_max_treedepth": 0.0, "min_ebfmi": np.nan}
    reasons = []
    if sizes[CHAIN] < 2:
        many = "is 1 chain" if sizes[CHAIN] == 1 else "are no chains"
        reasons.append(f"there {many}; R-hat compares at least 2")
    if "diverging" not in stats or dict(stats["diverging"].sizes) != sizes:
        reasons.append("divergences were not recorded for every draw")
    else:
        found["divergences"] = float((stats["diverging"] != 0).sum())  # NaN is not "no"
        if found["divergences"] != 0:
            count = int(found["divergences"])
            reasons.append(f"{count} transition{'s' * (count > 1)} diverged")
    most = _max_treedepth(datatree)
    if most is not None and "tree_depth" in stats:
        deep = int((stats["tree_depth"] >= most).sum())
        found["at_max_treedepth"] = float(deep)
        if deep:
            reasons.append(
                f"{deep} transition{'s' * (deep > 1)} went to the maximal tree depth of {most}"
            )
    if "energy" not in stats or dict(stats["energy"].sizes) != sizes:
        reasons.append("energies were not recorded for every draw")
    else:
        values = ebfmi(stats["energy"].transpose(CHAIN, DRAW).to_numpy().astype(np.float64))
        found["min_ebfmi"] = float(values.min()) if values.size else np.nan
        bad = np.flatnonzero(~(values >= ebfmi_min))
        if bad.size:
            chains = ", ".join(map(str, bad))
            reasons.append(
                f"E-BFMI is below {ebfmi_min:g} in chain {chains} (lowest {values.min():.2f})"
            )
    return {**found, "chains": float(sizes[CHAIN]), "draws": float(sizes[DRAW])}, reasons


def _max_treedepth(datatree: xr.DataTree) -> int | None:
    """Depth at which the sampler stopped going on, where the tree tells."""
    options = datatree.attrs.get("options")
    if not isinstance(options, str):
        return None
    depth = json.loads(options).get("max_treedepth")
    return depth if isinstance(depth, int) else None


def _identical_chains(datatree: xr.DataTree) -> list[str]:
    """Say which chains have the very same draws: they are one chain, counted twice."""
    if POSTERIOR not in datatree.children:
        return []
    first: dict[bytes, int] = {}
    found = []
    posterior = datatree[POSTERIOR].to_dataset()
    for chain in range(posterior.sizes.get(CHAIN, 0)):
        digest = hashlib.sha256()
        for variable in posterior.data_vars.values():
            if CHAIN in variable.dims:
                digest.update(np.ascontiguousarray(variable.isel({CHAIN: chain})).tobytes())
        twin = first.setdefault(digest.digest(), chain)
        if twin != chain:
            found.append(f"chains {twin} and {chain} have the very same draws")
    return found


def _require_declared(constants: Collection[str], judged: list[_Judged]) -> None:
    """Refuse a declared name that is neither a variable nor an entry of one."""
    names = {one.name for one in judged}
    single = [label for label in constants if label not in names]
    entries = {
        label
        for one in judged
        if any(label.startswith(f"{one.name}[") for label in single)
        for label in one.labels(np.ones(one.finite.size, dtype=np.bool_))
    }
    for label in single:
        if label not in entries:
            raise OptionError(
                f"constants: {label!r} is neither a variable of the posterior nor an entry of one. "
                f"Variables: {', '.join(sorted(names))}."
            )


def _worst(
    values: NDArray[np.float64], find: Callable[[NDArray[np.float64]], np.intp]
) -> tuple[float, int | None]:
    if np.isnan(values).all():
        return float("nan"), None
    entry = int(find(values))
    return float(values[entry]), entry
