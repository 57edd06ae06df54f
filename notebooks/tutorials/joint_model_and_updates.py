# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: jupytext.notebook_metadata_filter,jupytext.cell_metadata_filter,-all
# ---

# %% [markdown]
# # Joint models and updates
# Laboratory values and quality of life beside states and survival, and a twin that stays up to date
# as visits arrive. The registry is **simulated**: nobody in it ever existed. Nothing is fetched.

# %% tags=["parameters"]
draws = None  # on until the fit is usable; a number: one run of so many
tune = 1000
chains = 4
out = "out/joint_model"

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import twinbayes as tb
from twinbayes.checks import visual_predictive
from twinbayes.report import collect
from twinbayes.twin import Ledger, Quality

# %% [markdown]
# ## 1. Visits
# One row a measurement. Residual disease has a detection limit: a value below it is recorded as
# *left-censored at the limit*, never as zero.

# %%
cohort = tb.datasets.simulated_registry()
cohort.visits.groupby(["marker", "censored"]).size()

# %% [markdown]
# ## 2. Curves
# Each marker of each patient follows a curve. Here a patient has a level of their own, and
# remission, relapse and transplantation turn the curves of all in the same way. Quality of life
# runs from 0 to 100, and who answers 0 or 100 may feel worse or better than the scale can say.

# %%
spec = tb.disease("registry")
spec.trajectories.markers

# %%
fit = tb.fit(spec, cohort, draws=draws, tune=tune, chains=chains, seed=1, progressbar=False)
fit.verdict

# %% [markdown]
# Would the model have measured the same? Points are tenths, medians and nine tenths of what was
# measured over the years, bands what the model would have measured instead.

# %%
markers = collect(fit).markers
figure, axes = plt.subplots(1, len(markers.visits), figsize=(10, 3))
for ax, visits in zip(axes, markers.visits, strict=True):
    for _, one in visual_predictive(visits).groupby("quantile"):
        ax.fill_between(one["years"], one["lower"], one["upper"], alpha=0.3)
        ax.plot(one["years"], one["observed"], "k.")
    ax.set(title=visits.marker.replace("_", " "), xlabel="years")
figure.tight_layout()

# %%
markers.coverage

# %% [markdown]
# ## 3. A twin, as of one year
# Somebody followed for more than two years, as they stood after one. Nothing later is used: the
# draws of the fit, which has seen it, are weighted so that it does not count.

# %%
visits = cohort.visits.groupby("patient_id")["day"].max()
patient = visits[visits > 730].index[0]
twin = fit.twin(patient, at=365.0)
before = twin.forecast(until=2 * 365.25, grid=8)
before["marker_value"].isel(patient=0).to_pandas().round(2)

# %% [markdown]
# `marker_curve` is the curve alone, `marker_value` what a measurement would show, errors included.
#
# ## 4. A visit arrives
# The twin is not changed: `update` returns another one, in a fraction of a second, without fitting
# anything again.

# %%
record = cohort.visits
new = record[
    (record["patient_id"] == patient) & record["day"].between(365.0, 800.0, inclusive="right")
]
later = twin.update(new)
later.reliability()

# %% [markdown]
# `needs_refit` says whether the fit can still be trusted for this patient: whether the new visits
# are a surprise, and whether enough of the fit's draws agree with them.

# %%
after = later.forecast(until=365.25, grid=4)
pd.Series(
    {
        "alive after another year, before these visits": before["survival"].values[0, 4],
        "alive one year after these visits": after["survival"].values[0, 4],
    }
).round(3)

# %% [markdown]
# ## 5. Days that count by their quality
# The same person two months after diagnosis, with and without a transplantation. Each day alive
# counts by the forecast score: 0 as if dead, 100 as full health. It is the score of the living; it
# turns with the treatments that are compared, and does not foresee a relapse.
# `Quality(utilities=...)` gives states weights of their own.

# %%
early = tb.Scenario.start("allogeneic_transplant", day=120.0, states=("remission",))
never = tb.Scenario.none("allogeneic_transplant")
gap = fit.twin(patient, at=60.0).contrast(
    early, never, until=2 * 365.25, quality=Quality(marker="global_health")
)
pd.DataFrame(
    {
        name: [gap[f"{name}{side}"].item() for side in ("", "_lower", "_upper")]
        for name in (
            "rmst_a", "rmst_b", "rmst_difference", "quality_adjusted_time_a",
            "quality_adjusted_time_b", "quality_adjusted_time_difference",
        )
    },
    index=["mean", "lower", "upper"],
).T.round(0)  # fmt: skip

# %% [markdown]
# ## 6. The ledger
# Every update can be kept: what changed, under which fit, and what it did to the forecast. Each
# line carries the hash of the one before.

# %%
Path(out).mkdir(parents=True, exist_ok=True)
path = Path(out) / "updates.jsonl"
path.unlink(missing_ok=True)
path.with_name(f"{path.name}.head").unlink(missing_ok=True)
kept = Ledger.begin(path).append(later)
{key: kept[key] for key in list(kept)[:6]}

# %% [markdown]
# `twinbayes twin verify FIT COHORT LEDGER` does every update again and compares, bit for bit.
#
# ## Where next
# - Hazards that follow a curve: `tb.disease("pbc")` is the classical joint model, with
#   `Association(marker=..., transitions=..., form="value")`.
# - Detection limits in earnest: `tb.disease("cml")`.
# - The formulae, and what the model does not do: `docs/model.md`.
