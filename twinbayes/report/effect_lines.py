"""A treatment effect in a few lines of text."""

from __future__ import annotations

import xarray as xr


def effect_lines(effect: xr.Dataset) -> list[str]:
    """An effect over all patients in words: under each scenario, and the summary of the two.

    Parameters
    ----------
    effect
        As `treatment_effect` returns it.
    """
    summary = str(effect.attrs["summary"])
    share = f"{effect.attrs['interval_probability']:.0%} {effect.attrs['interval_kind']} interval"
    lines = []
    for side in ("a", "b"):
        for name in (n for n in effect.data_vars if str(n).startswith("overall_")):
            of = str(name).removeprefix("overall_").removesuffix(f"_{side}")
            if str(name) == f"overall_{of}_{side}":
                what = f"{of.replace('_', ' ')} under '{effect.attrs[f'scenario_{side}']}'"
                lines.append(f"All patients, {what}: {_span(effect, str(name), of, share)}")
    name = f"overall_{summary}"
    lines.append(
        f"All patients, {summary.replace('_', ' ')}: {_span(effect, name, summary, share)}; "
        f"{effect.attrs['support']}"
    )
    return lines


def _span(effect: xr.Dataset, name: str, of: str, share: str) -> str:
    """Probabilities in per cent, their differences in percentage points, times in days."""
    ends = [float(effect[f"{name}{s}"].values[-1]) for s in ("", "_lower", "_upper")]
    if "ratio" in of:
        told, unit = [f"{x:.3g}" for x in ends], ""
    elif "rmst" in of or "time" in of:
        told, unit = [f"{x:.1f}" for x in ends], " days"
    else:
        told = [f"{100 * x:.1f}" for x in ends]
        unit = " percentage points" if "difference" in of else " %"
    return f"{told[0]}{unit} ({share} {told[1]} to {told[2]})"
