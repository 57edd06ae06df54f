"""Section of a review about markers: their curves, and the hazards that follow them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from twinbayes.checks import PredictedVisits, visual_predictive
from twinbayes.report.figures.look import interval_words
from twinbayes.report.figures.markers import markers_over_time
from twinbayes.report.html import fragments as f
from twinbayes.report.reviewer.evidence import KIND, ReviewEvidence


def trajectories(evidence: ReviewEvidence) -> f.Block:
    """Return curves, associations and predictive coverage of the markers."""
    found = evidence.markers
    if found is None:
        return f.not_provided(
            evidence.missing.get("markers", "The model has no repeatedly measured markers.")
        )
    interval = interval_words(evidence.interval, KIND)
    number = "{:.3g}".format
    curves = found.curves.rename(columns={"lower": f"lower end of the {interval}"})
    scatter = found.scatter.rename(columns={"lower": f"lower end of the {interval}"})
    ratios = found.associations.rename(columns={"lower": f"lower end of the {interval}"})
    return f.block(
        f.paragraph(
            "Coefficients are on the markers' own scales (logged where the model says so), those "
            "of time per year; those of mean functions as in the formula, with t in years.",
            "note",
        ),
        markers_over_time(found.visits).marked(*evidence.marks).backed(_quantiles(found.visits)),
        f.check(found.coverage, evidence.look),
        f.heading("Hazards that follow markers"),
        f.table(
            evidence.look.tabled(ratios),
            formats=dict.fromkeys(ratios.columns[1:], "{:.2f}".format),
            caption="Hazard ratio per unit of the marker's feature (effect: of the patient's "
            "coefficient minus its mean; x: also per unit of the covariate)",
        )
        if len(ratios)
        else f.paragraph("No hazard of this model follows a marker."),
        f.folded(
            "Coefficients", f.table(curves, formats=dict.fromkeys(curves.columns[1:], number))
        ),
        f.folded(
            "How measurements scatter around the curves",
            f.table(scatter, formats=dict.fromkeys(scatter.columns[1:], number)),
        )
        if len(scatter)
        else None,
    )


def _quantiles(visits: Sequence[PredictedVisits]) -> pd.DataFrame:
    """Numbers behind the picture; those measured with two digits, as one can read them there."""
    parts = [visual_predictive(one).assign(marker=one.marker) for one in visits]
    table = pd.concat(parts, ignore_index=True).drop(columns="n")
    table["observed"] = [f"{x:.2g}" for x in table["observed"]]
    return table
