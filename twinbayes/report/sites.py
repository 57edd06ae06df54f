"""What reports say of a federated fit: sites, rounds, what left them, the certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from twinbayes.inference import Fit
from twinbayes.names import CENTRE, CENTRE_EFFECT, CHAIN, DRAW, FEDERATION, POSTERIOR, TRANSITION
from twinbayes.report.figures.look import interval_words, look_of, words
from twinbayes.report.html import fragments as f


def sites_of(fit: Fit, interval: float, kind: str) -> f.Block:
    """Return where the patients of a federated fit are; nothing of any other fit.

    Parameters
    ----------
    fit
        A fit of patients.
    interval, kind
        Probability of intervals, and how they are called.
    """
    if not fit.sites:
        return f.block()
    told: Mapping[str, Any] = fit.manifest[FEDERATION]
    found = told["certificate"]
    here = fit.cohort.n_patients
    return f.block(
        f.heading("Sites"),
        f.paragraph(
            f"The draws have seen patients of {len(fit.sites)} sites. Data, calibration and scores "
            f"of this review are of the {here} patients of one of them; what needs the records of "
            "all, such as where effects come from and how much they hang on the priors, is not "
            "provided.",
            "note",
        ),
        f.pairs(
            {
                "sites": ", ".join(fit.sites),
                "study": told["study"],
                "rounds": len(told["rounds"]),
                "patients or events behind what tells of one site": f"at least {told['minimum']}",
                "draws scored by all sites": found["draws"],
                "effective number of weighted draws": f"{found['ess']:.0f}",
                "Pareto k of the weights": "unknown"
                if found["pareto_k"] is None
                else f"{found['pareto_k']:.2f}",
            }
        ),
        f.paragraph(
            "Draws of the server are weighted by what all sites say of them together. Below 0.5 of "
            "Pareto k the weighted draws are those of a fit of all patients, but for chance; above "
            "0.7 the fit is not for use."
        ),
        f.table(
            pd.DataFrame(list(_rounds(told)), columns=["round", "asked for", "numbers of a site"]),
            caption="What was asked, and how many numbers each site sent. They are masked: only "
            "their sum over all sites can be read.",
        ),
        *_held_back(told),
        *_centres(fit, interval, kind),
    )


def _held_back(told: Mapping[str, Any]) -> Iterator[f.Block]:
    """Yield effects of which no site tells."""
    held = [str(name) for name in told.get("held_back", ())]
    if held:
        yield f.folded(
            f"Effects of which no site tells: {len(held)}",
            f.table(
                pd.DataFrame({"effect": held}),
                caption=f"Fewer than {told['minimum']} patients of all sites together have them. "
                "They are the prior's, and time under a treatment among them is left out.",
            ),
        )


def _rounds(told: Mapping[str, Any]) -> Iterator[tuple[int, str, int]]:
    for number, one in enumerate(told["rounds"]):
        yield number, str(one["kind"]), max(one["numbers"].values(), default=0)


def _centres(fit: Fit, interval: float, kind: str) -> Iterator[f.Block]:
    """Yield how centres differ, where the model lets them."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if CENTRE_EFFECT not in posterior:
        return
    effect = posterior[CENTRE_EFFECT]
    low, high = 0.5 * (1.0 - interval), 0.5 * (1.0 + interval)
    ends = effect.quantile([0.5, low, high], (CHAIN, DRAW))
    rows = [
        (words(str(centre)), str(transition), *ends.sel({CENTRE: centre, TRANSITION: transition}))
        for centre in effect[CENTRE].to_numpy()
        for transition in effect[TRANSITION].to_numpy()
    ]
    between = interval_words(interval, kind)
    columns = ["centre", "transition", "median", f"lower end of the {between}", "upper"]
    table = pd.DataFrame([[*r[:2], *map(float, r[2:])] for r in rows], columns=columns)
    yield f.folded(
        "Differences between centres",
        f.table(
            look_of(fit).tabled(table),
            formats=dict.fromkeys(columns[2:], "{:.2f}".format),
            caption="Differences in log hazard from all centres together, after what the model "
            "knows of patients. Where a centre has too few patients or events it does not tell of "
            "its own deviation, and the prior's is shown.",
        ),
    )
