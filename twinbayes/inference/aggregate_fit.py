"""Fits of aggregate data: the same samplers, gate and files as any other fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.cohort.aggregate import OUTCOMES, RATE, RESPONSE, Aggregate
from twinbayes.errors import FitError, ModelError, require_level, require_seed
from twinbayes.inference.drawn import Drawn
from twinbayes.inference.files.archive import with_description
from twinbayes.inference.files.manifest import build_manifest
from twinbayes.inference.files.provenance import (
    require_draws,
    require_part,
    with_content,
    with_whole_run,
)
from twinbayes.inference.files.sealed import write_tree
from twinbayes.inference.gate.verdict import Verdict, judge
from twinbayes.inference.samplers.protocol import Compiled, compile_model
from twinbayes.inference.thinning import draws_words
from twinbayes.inference.until import effort_of, sample_until
from twinbayes.model.aggregate.rows import EFFECT_MEAN
from twinbayes.model.aggregate.spec import HETEROGENEITY, SUBGROUP_VALUE, AggregateSpec
from twinbayes.model.assemble import assemble_aggregate, require_finite_start
from twinbayes.model.pooling.power import PowerPrior
from twinbayes.model.pooling.protocol import BELONGS
from twinbayes.names import CHAIN, COEFFICIENT, DRAW, POSTERIOR, SUBGROUP
from twinbayes.priors import MixtureFit, PriorSet, chosen_priors, fit_mixture
from twinbayes.priors.mixtures.mixture import BETA, GAMMA, NORMAL
from twinbayes.showing import brief, facts, judged

DATA: Final = "data"
TARGET_ACCEPT: Final = 0.95


@dataclass(frozen=True, repr=False)
class AggregateFit(Drawn):
    """The posterior of a model of aggregate data.

    Attributes
    ----------
    spec, data, priors
        What was fitted, to what, under which priors.
    datatree
        Groups ``posterior`` and ``sample_stats``. The posterior has ``effect`` (coefficient,
        subgroup) on the scale of the priors and, without covariates, ``subgroup_value``
        (subgroup): probabilities, rates, or the data's own unit.
    verdict
        The gate's judgement.
    manifest
        Provenance.

    Examples
    --------
    >>> counts = pd.DataFrame({"subgroup": ["a", "b"], "n": [20, 15], "responders": [4, 2]})
    >>> fit = tb.fit(tb.disease("basket"), tb.read_aggregate(counts), seed=1)  # doctest: +SKIP
    >>> fit.verdict.banner()  # doctest: +SKIP
    'USABLE'
    >>> fit.table()[["responders", "n", "observed"]].round(2)  # doctest: +SKIP
              responders     n  observed
    subgroup
    a                4.0  20.0      0.20
    b                2.0  15.0      0.13
    >>> fit.exchangeability["subgroup"].tolist()  # doctest: +SKIP
    ['a', 'b']
    """

    spec: AggregateSpec
    data: Aggregate = field(repr=False)
    priors: PriorSet = field(repr=False)
    datatree: xr.DataTree = field(repr=False)
    verdict: Verdict
    manifest: Mapping[str, Any] = field(repr=False)

    def __repr__(self) -> str:
        """Verdict, model, data and draws in a few lines."""
        return (
            f"Fit of {self.spec.name!r}: {self.verdict.headline()}\n"
            f"  data: {self.data.name!r}, {len(self.data.table)} rows of {self.spec.outcome}\n"
            f"  priors: {self.priors.label}, {len(self.priors)} entries\n"
            f"  draws: {draws_words(self.datatree)}"
        )

    def _repr_html_(self) -> str:
        told = {
            "data": f"{self.data.name}, {len(self.data.table)} rows of {self.spec.outcome}",
            "priors": f"{self.priors.label}, {len(self.priors)} entries",
            "draws": draws_words(self.datatree),
        }
        head = judged(self.verdict.usable, self.verdict.banner())
        return head + facts(f"Fit of {self.spec.name}", told)

    @property
    def exchangeability(self) -> pd.DataFrame:
        """Posterior probability that each subgroup belongs with the others.

        One row a coefficient and subgroup. The means of how probable that is under each draw; a
        draw never decides for one or the other. Prior probabilities of 0 and 1 stay what they are.

        Raises
        ------
        ModelError
            The pooling has no such probability.
        """
        posterior = self.datatree[POSTERIOR].to_dataset()
        name = f"effect_{BELONGS}"
        settled = getattr(self.spec.pooling, "settled", None)
        if settled is not None:
            return self._settled(settled)
        if name not in posterior:
            raise ModelError(
                f"Pooling {self.spec.pooling.kind!r} has no probability of exchangeability. "
                "'exnex', 'robust_map', 'commensurate' and 'bma_exchangeability' have."
            )
        mean = posterior[name].mean((CHAIN, DRAW))
        target = getattr(self.spec.pooling, "target", None)
        if target is not None:
            mean = mean.expand_dims({SUBGROUP: [target]}, axis=1)
        mean = mean.rename({mean.dims[1]: SUBGROUP})
        return mean.to_series().rename("probability").reset_index()

    def _settled(self, probability: float) -> pd.DataFrame:
        """The same probability for every subgroup of which the pooling asks."""
        target, source = (getattr(self.spec.pooling, n, None) for n in ("target", "source"))
        asked = [target] if target else [x for x in self.data.subgroups if x != source]
        rows = [(c, x, probability) for c in self.spec.coefficients for x in asked]
        return pd.DataFrame(rows, columns=[COEFFICIENT, SUBGROUP, "probability"])

    def table(self, level: float = 0.9) -> pd.DataFrame:
        """Estimates of the subgroups beside their data.

        Parameters
        ----------
        level
            Probability of the equal-tailed intervals.

        Returns
        -------
        DataFrame
            One row a subgroup: the data summed up, what they say alone (``observed``), and
            ``mean``, ``sd``, ``lower``, ``upper`` of the posterior; intervals in
            ``attrs["interval"]``, the verdict in ``attrs["verdict"]``.
        """
        require_level(level)
        value = self._values()
        tails = value.quantile([0.5 - level / 2, 0.5 + level / 2], dim=(CHAIN, DRAW)).to_numpy()
        out = self._observed()
        out["mean"] = value.mean((CHAIN, DRAW)).to_numpy()
        out["sd"] = value.std((CHAIN, DRAW), ddof=1).to_numpy()
        out["lower"], out["upper"] = tails
        out.attrs |= {
            "interval": f"{level:.0%} equal-tailed",
            "verdict": self.verdict.banner(),
        }
        return out

    def new_subgroup(self, seed: int = 0) -> xr.DataArray:
        """Draw the value of a subgroup that the data do not have, (chain, draw).

        Raises
        ------
        ModelError
            The pooling says nothing of it, or the model has covariates.
        """
        theta = self.new_effect(seed)
        return theta.copy(data=self.spec.natural(theta.to_numpy())).rename("new_subgroup")

    def new_effect(self, seed: int = 0) -> xr.DataArray:
        """Draw the effect of a new subgroup on the scale of the priors, (chain, draw)."""
        self._require_plain("The value of a new subgroup")
        require_seed(seed)
        if not self.spec.pooling.reaches_new_subgroups:
            self.spec.pooling.draw_new(np.zeros(1), np.zeros(1), np.random.default_rng(seed))
        posterior = self.datatree[POSTERIOR].to_dataset()
        mean = posterior[EFFECT_MEAN].isel({COEFFICIENT: 0}, drop=True).transpose(CHAIN, DRAW)
        scale = np.zeros(mean.shape)
        if HETEROGENEITY in posterior:
            spread = posterior[HETEROGENEITY].isel({COEFFICIENT: 0}, drop=True)
            scale = spread.transpose(CHAIN, DRAW).to_numpy()
        rng = np.random.default_rng(seed)
        return mean.copy(data=self.spec.pooling.draw_new(mean.to_numpy(), scale, rng))

    def prior_for_new_subgroup(
        self,
        *,
        components: int | tuple[int, ...] = (1, 2, 3, 4),
        reference_sd: float | None = None,
        bounded: bool = False,
        seed: int = 0,
    ) -> MixtureFit:
        """Approximate the meta-analytic-predictive prior of a new subgroup by a mixture.

        Of beta distributions for a probability, gamma for a rate, normal for all else; `bounded`
        keeps the density finite at 0 and 1. See `fit_mixture`.

        Source: Schmidli et al. (2014), Biometrics 70, 1023-1032.
        """
        if not self.verdict.usable:
            raise FitError(f"No prior is made of this fit. {self.verdict.banner()}")
        kind = {RESPONSE: BETA, RATE: GAMMA}.get(self.spec.outcome, NORMAL)
        return fit_mixture(
            self.new_subgroup(seed), kind,
            components=components, reference_sd=reference_sd, bounded=bounded,
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str], *, key: bytes | None = None) -> Path:
        """Write one self-contained file: draws, model, priors, data, manifest.

        Parameters
        ----------
        path
            The file; an earlier one of that name is replaced.
        key
            A secret of at least 16 bytes. `load_fit` with the same key then refuses the file if
            anybody without it has changed it. It hides nothing.
        """
        tree = pack_aggregate(self)
        return write_tree(path, tree, with_content(self.manifest, tree), key=key)

    def describe(self) -> str:
        """The model in formulae, the priors and the verdict, as text."""
        used = [self.priors[name] for name in (EFFECT_MEAN, HETEROGENEITY)]
        priors = "\n".join(f"  {entry.name} ~ {entry.text()}" for entry in used)
        return (
            f"{self.spec.describe()}\n\nPriors ({self.priors.label}):\n{priors}\n\n"
            f"Verdict: {self.verdict.banner()}"
        )

    def _values(self) -> xr.DataArray:
        self._require_plain("The table of subgroups")
        return self.datatree[POSTERIOR].to_dataset()[SUBGROUP_VALUE]

    def _require_plain(self, what: str) -> None:
        if self.spec.covariates:
            raise ModelError(
                f"{what} depends on the covariates {', '.join(self.spec.covariates)}. Read the "
                "coefficients in fit.datatree['posterior']['effect']."
            )

    def _observed(self) -> pd.DataFrame:
        """Data of each subgroup together, and their estimate."""
        one, two = OUTCOMES[self.spec.outcome]
        table = self.data.table
        if self.spec.outcome in (RESPONSE, RATE):
            out = table.groupby(SUBGROUP, sort=False)[[one, two]].sum()
            with np.errstate(invalid="ignore", divide="ignore"):
                out["observed"] = out[one] / out[two]
            return out
        precision = table[two] ** -2.0
        grouped = table.assign(weight=precision, weighted=precision * table[one]).groupby(
            SUBGROUP, sort=False
        )[["weight", "weighted"]]
        total = grouped.sum()
        return pd.DataFrame(
            {"observed": total["weighted"] / total["weight"], "se": total["weight"] ** -0.5}
        )


@brief
@dataclass(frozen=True)
class CompiledAggregate:
    """A model of aggregate data made ready: sample it on other results without compiling.

    Examples
    --------
    >>> counts = pd.DataFrame({"subgroup": ["a", "b"], "n": [20, 15], "responders": [4, 2]})
    >>> compiled = compile_fit(tb.disease("basket"), tb.read_aggregate(counts))  # doctest: +SKIP
    >>> other = tb.read_aggregate(counts.assign(responders=[1, 6]))
    >>> compiled.with_data(other).sample(seed=1).table()["observed"].tolist()  # doctest: +SKIP
    [0.05, 0.4]
    """

    spec: AggregateSpec
    data: Aggregate
    priors: PriorSet
    compiled: Compiled

    def with_data(self, data: Aggregate) -> CompiledAggregate:
        """Return the same model on other results of the same rows.

        Raises
        ------
        ModelError
            Subgroups, covariates or the outcome differ, or the likelihood of the source has
            been integrated or maximised already.
        """
        here, there = self.data.table, data.table
        same = (data.outcome, data.covariates) == (self.data.outcome, self.data.covariates)
        if not same or len(here) != len(there) or not here[SUBGROUP].equals(there[SUBGROUP]):
            raise ModelError(
                "Other data for a compiled model need the same rows of the same subgroups, "
                "covariates and outcome. Compile a model of their own."
            )
        pooling = self.spec.pooling
        if isinstance(pooling, PowerPrior) and (pooling.power is None or pooling.asymptotic):
            raise ModelError(
                "A power that is learnt, or a large-sample limit, depends on the source's data "
                "beyond their likelihood. Compile the model for each data set."
            )
        columns = (*OUTCOMES[self.spec.outcome], *self.spec.covariates)
        updates = {c: there[c].to_numpy(float) for c in columns}
        return replace(self, data=data, compiled=self.compiled.with_data(**updates))

    def sample(self, **effort: Any) -> AggregateFit:
        """Draw from the posterior; `effort` is how long, as of `fit`: see `until.Effort`."""
        tree, verdict, runs = sample_until(self.compiled, judge, effort_of(effort))
        manifest = build_manifest(
            run={str(key): value for key, value in tree.attrs.items()},
            runs=runs,
            cohort_fingerprint=self.data.fingerprint,
            spec_hash=self.spec.content_hash,
            prior_ids=self.priors.ids,
            prior_hash=self.priors.content_hash,
            verdict=verdict,
        )
        return AggregateFit(self.spec, self.data, self.priors, tree, verdict, manifest)


def compile_aggregate(
    spec: AggregateSpec,
    data: Aggregate,
    *,
    priors: PriorSet | None = None,
    sampler: str = "nutpie",
    **options: object,
) -> CompiledAggregate:
    """Make a model of aggregate data ready for sampling; see `fit` for the parameters."""
    priors = chosen_priors(priors, spec.priors)
    model = assemble_aggregate(spec, data, priors)
    # A step costs next to nothing here, and few subgroups leave heterogeneity a long way to go.
    compiled = compile_model(model, sampler=sampler, **{"target_accept": TARGET_ACCEPT, **options})
    if not compiled.starts:
        require_finite_start(model)
    return CompiledAggregate(spec, data, priors, compiled)


def pack_aggregate(fit: AggregateFit) -> xr.DataTree:
    """Return the fit's tree with its description; `unpack_aggregate` undoes it."""
    extra = {
        DATA: {
            "table": fit.data.table.to_csv(index=False, float_format="%.17g"),
            "outcome": fit.data.outcome,
            "covariates": list(fit.data.covariates),
            "name": fit.data.name,
            "not_read": list(fit.data.not_read),
        }
    }
    return with_description(fit.datatree, fit.spec.to_dict(), fit.priors, extra)


def unpack_aggregate(
    text: Mapping[str, Any], priors: PriorSet, draws: xr.DataTree, manifest: Mapping[str, Any]
) -> AggregateFit:
    """Rebuild a fit from its stored description and draws, which must be those of the manifest."""
    stored = text[DATA]
    table = pd.read_csv(StringIO(stored["table"]), dtype={SUBGROUP: str}, keep_default_na=False)
    data = Aggregate(
        table=table.astype({c: float for c in table.columns if c != SUBGROUP}),
        outcome=stored["outcome"],
        covariates=tuple(stored["covariates"]),
        name=stored["name"],
        not_read=tuple(stored["not_read"]),
    )
    require_part(manifest, "data", cohort_fingerprint=data.fingerprint)
    require_draws(draws, manifest, {SUBGROUP: data.subgroups})
    spec = AggregateSpec.from_dict(text["spec"])
    verdict = with_whole_run(judge(draws), manifest)
    return AggregateFit(spec, data, priors, draws, verdict, manifest)
