# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
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

import twinbayes as tb
from twinbayes.report import collect, collect_patient, twin_report
from twinbayes.report.patient import sections as sections_patient
from twinbayes.report.reviewer.checks import calibration, shrinkage

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
#
# What did the subgroups lend each other?

# %%
evidence = collect(fit)
shrinkage(evidence)

# %% [markdown]
# Does the model reproduce what was seen?

# %%
calibration(evidence)

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
one = collect_patient(fit, patient, at=0.0)
sections_patient.forecast_picture(one)

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
sections_patient.contrast(one)

# %% [markdown]
# In words that can be read aloud:

# %%
sections_patient.read_aloud(one)

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
