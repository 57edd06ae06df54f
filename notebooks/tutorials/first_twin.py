# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: jupytext.notebook_metadata_filter,jupytext.cell_metadata_filter,-all
# ---

# %% [markdown]
# # Your first twin
# From a registry's tables to one patient's forecast, in a quarter of an hour. The registry here is
# **simulated**: 240 patients with rare leukaemias who never existed. Nothing is fetched.
#
# `make lab` opens it as a notebook. In another JupyterLab: right click, *Open With*, *Notebook*.

# %% tags=["parameters"]
draws = None  # on until the fit is usable; a number: one run of so many
tune = 1000
chains = 4
out = "out/first_twin"

# %%
from pathlib import Path

import matplotlib.pyplot as plt

import twinbayes as tb
from twinbayes.report import collect, twin_report

# %% [markdown]
# ## 1. The cohort
# `tb.read_cohort("my_folder")` reads your own tables, and tells you everything that is wrong with
# them at once. Here we take the embedded registry.

# %%
cohort = tb.datasets.simulated_registry()
cohort

# %% [markdown]
# Look at the data before you believe any model of them.

# %%
cohort.quality()

# %% [markdown]
# ## 2. The model and its priors
# A disease is a set of states and of ways between them. Each way has a hazard, which depends on
# covariates, subgroup, centre and treatment.

# %%
spec = tb.disease("registry")
print(spec.describe())

# %% [markdown]
# Priors come with their reasons.

# %%
priors = tb.load_priors("registry")
priors.to_frame()[["distribution", "q05", "q95", "rationale"]].head()

# %% [markdown]
# ## 3. The fit
# An ordinary PyMC model underneath: `tb.assemble(spec, cohort, priors)` returns it, and
# `fit.datatree` goes into any `az.*` function.

# %%
fit = tb.fit(
    spec, cohort, priors=priors, draws=draws, tune=tune, chains=chains, seed=1, progressbar=False
)
fit.verdict

# %% [markdown]
# If the verdict is not "usable", stop here: more draws, or a better model, and nothing else.
# `fit.verdict.advice` says what to change.
#
# What did the subgroups lend each other? `raw` is what a subgroup says alone, `pooled` what it says
# among the others, both as log rate ratios.

# %%
evidence = collect(fit)
[lent] = evidence.of("shrinkage")
lent

# %% [markdown]
# Does the model reproduce what was seen? Lines are predicted shares of patients in each state,
# bands the Aalen–Johansen estimate of the same patients.

# %%
curves = evidence.curves[evidence.curves["subgroup"] == "all"]
figure, axes = plt.subplots(2, 3, figsize=(9, 5), sharex=True, sharey=True)
for ax, (state, one) in zip(axes.flat, curves.groupby("state", sort=False), strict=True):
    years = one["time"] / 365.25
    ax.fill_between(years, one["lower"], one["upper"], step="post", alpha=0.3, label="observed")
    ax.plot(years, one["predicted"], color="black", label="predicted")
    ax.set(title=state.replace("_", " "), xlabel="years")
axes[0, 0].set_ylabel("share of patients")
axes[0, 0].legend()
figure.tight_layout()

# %%
evidence.of("calibration")[0]

# %% [markdown]
# ## 4. A twin
# Somebody on the day of diagnosis. `at=0.0` cuts the record there: nothing later is used, even if
# it is known. The fit has seen how this patient fared; its draws are weighted so that this no
# longer counts, and `twin.reliability()` says whether that can be relied on.

# %%
patient = cohort.patient_ids[0]
twin = fit.twin(patient, at=0.0)
forecast = twin.forecast(until=5 * 365.25)
forecast

# %% [markdown]
# Everything is an `xarray.Dataset` with named dims, means and interval bounds.

# %%
forecast["survival"].isel(patient=0).sel(time=[365.25, 3 * 365.25], method="nearest").values

# %%
shares = forecast["state_probability"].isel(patient=0).to_pandas()
shares.index = shares.index / 365.25
ax = shares.plot.area(figsize=(8, 4), linewidth=0, colormap="cividis")
ax.set(xlabel="years from diagnosis", ylabel="probability", title="SIMULATED DATA", ylim=(0, 1))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))

# %% [markdown]
# ## 5. Two ways of treating
# A transplant on day 120 if the patient is then in remission, against none. The difference is
# formed draw by draw, so its interval is right.

# %%
early = tb.Scenario.start("allogeneic_transplant", day=120, states=("remission",))
never = tb.Scenario.none("allogeneic_transplant")
contrast = twin.contrast(early, never, until=5 * 365.25)
contrast["rmst_difference"].item(), contrast["rmst_difference_lower"].item()

# %%
gap = contrast.isel(patient=0)
years = gap["time"] / 365.25
figure, ax = plt.subplots(figsize=(8, 3.5))
ax.fill_between(
    years, gap["survival_difference_lower"], gap["survival_difference_upper"], alpha=0.3
)
ax.plot(years, gap["survival_difference"])
ax.axhline(0.0, color="black", linewidth=0.8)
ax.set(
    xlabel="years from diagnosis",
    ylabel="difference in survival",
    title="Transplant on day 120, or none (90 % interval). SIMULATED DATA",
)

# %% [markdown]
# The patient's report below says the same in words that can be read aloud.

# %% [markdown]
# ## 6. Reports
# Two files to hand on: one for the reviewer, one for the clinician. Each is complete in itself.

# %% tags=["reports"]
tb.review(fit, Path(out) / "review.html")

# %% tags=["reports"]
twin_report(fit, patient, Path(out) / "patient.html", at=0.0)

# %% [markdown]
# ## Where next
# - Your own data: `docs/data-contract.md` has every column, and `twinbayes check my_folder` tells
#   what is missing.
# - Your own priors: `docs/priors.md`.
# - The real thing: `twinbayes demo --data ebmt` runs the same on 2,279 real transplants.
