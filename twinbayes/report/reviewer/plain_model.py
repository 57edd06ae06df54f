"""Sections of a review of an ordinary PyMC model: what its draws and its manifest can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.inference.plain.model_fit import ModelFit
from twinbayes.names import CHAIN, DRAW, POSTERIOR, SAMPLE_STATS
from twinbayes.report.figures.diagnostics import diagnostics as diagnostics_picture
from twinbayes.report.figures.look import words
from twinbayes.report.html import fragments as f
from twinbayes.report.html.section import Section
from twinbayes.report.required.first_screen import Judged
from twinbayes.report.required.gate import gate_block

_MOST_ROWS: Final = 200
_NOT_FOR: Final = (
    "The package knows neither the data nor the meaning of this model's variables: no group of "
    "patients has been checked.",
)


@dataclass(frozen=True, eq=False)
class ModelEvidence:
    """What a review knows of such a fit: the fit, and the probability of its intervals."""

    fit: ModelFit
    interval: float

    @property
    def judged(self) -> Judged:
        """What the first screen has to know."""
        verdict = self.fit.verdict
        return Judged(verdict.usable, verdict.reasons, not_for=_NOT_FOR)

    @property
    def marks(self) -> tuple[str, ...]:
        """Words that every picture of this fit carries."""
        return () if self.fit.verdict.usable else ("NOT FOR USE",)


def verdict(evidence: ModelEvidence) -> f.Block:
    """Return what the gate measured, and what is under review."""
    return gate_block(evidence.fit.verdict, evidence.fit.manifest)


def model(evidence: ModelEvidence) -> f.Block:
    """Return the model in PyMC's words."""
    return f.preformatted(evidence.fit.text)


def posterior(evidence: ModelEvidence) -> f.Block:
    """Return mean, standard deviation and interval of every quantity."""
    draws = evidence.fit.datatree[POSTERIOR].to_dataset()
    tails = [0.5 - evidence.interval / 2, 0.5 + evidence.interval / 2]
    rows = []
    for name, variable in draws.data_vars.items():
        rest = [d for d in variable.dims if d not in (CHAIN, DRAW)]
        flat = variable.transpose(CHAIN, DRAW, *rest).to_numpy()
        flat = flat.reshape(flat.shape[0] * flat.shape[1], -1)
        for k in range(flat.shape[1]):
            place = np.unravel_index(k, [variable.sizes[d] for d in rest]) if rest else ()
            label = ", ".join(
                str(variable[d].to_numpy()[i]) if d in variable.coords else str(i)
                for d, i in zip(rest, place, strict=True)
            )
            low, high = np.quantile(flat[:, k], tails)
            rows.append(
                {
                    "quantity": f"{name}[{label}]" if rest else str(name),
                    "mean": flat[:, k].mean(), "sd": flat[:, k].std(ddof=1),
                    "lower": low, "upper": high,
                }
            )  # fmt: skip
    caption = f"{evidence.interval:.0%} equal-tailed intervals"
    if len(rows) > _MOST_ROWS:
        caption += f"; the first {_MOST_ROWS} of {len(rows)} quantities"
    return f.table(pd.DataFrame(rows[:_MOST_ROWS]), caption=caption)


def diagnostics(evidence: ModelEvidence) -> f.Block:
    """Return R-hat, effective sample sizes and energies."""
    table = evidence.fit.verdict.table
    energy = evidence.fit.datatree[SAMPLE_STATS]["energy"].transpose(CHAIN, DRAW).to_numpy()
    return f.block(
        diagnostics_picture(table, energy).marked(*evidence.marks).backed(table.reset_index()),
        f.folded("All variables", f.table(table.reset_index())),
    )


def provenance(evidence: ModelEvidence) -> f.Block:
    """Return what was run, on what, with which versions."""
    known = {
        words(k): v
        for k, v in sorted(evidence.fit.manifest.items())
        if isinstance(v, str | int | float)
    }
    return f.pairs(known)


LEAD: Final = (
    "An ordinary PyMC model: whether its draws may be used, and what they say. Data, priors and "
    "fitness for a purpose are for its author to show."
)

MODEL_REVIEW: Final[tuple[Section[ModelEvidence], ...]] = (
    Section(number=0, show=verdict),
    Section(number=5, heading="The model", show=model),
    Section(number=7, heading="Diagnostics", show=diagnostics),
    Section(number=9, heading="Posterior", show=posterior),
    Section(number=16, heading="Manifest of the fit", show=provenance),
)
