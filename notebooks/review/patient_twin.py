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
# # Patient twin
# One patient's forecast from today on, and what it rests on.

# %% tags=["parameters"]
fit_path = ""
patient = ""
cohort_path = ""
at = ""
until = 1826.25
scenarios = ""
interval = 0.9
show_patient_ids = False

# %%
from twinbayes import load_fit, read_cohort
from twinbayes.report import collect_patient, scenarios_from_json
from twinbayes.report.patient import sections
from twinbayes.report.reviewer import marker_curves as sections_markers

evidence = collect_patient(
    load_fit(fit_path),
    read_cohort(cohort_path) if cohort_path else patient,
    at=float(at) if at else None,
    until=until,
    scenarios=scenarios_from_json(scenarios),
    interval=interval,
)
sections.verdict(evidence, show_patient_ids=show_patient_ids)

# %% [markdown]
# ## In plain words
# To be read aloud.

# %%
sections.read_aloud(evidence)

# %% [markdown]
# ## Forecast
# Where 100 people like this one would be over time, under the registry's own treatment policy.

# %%
sections.forecast(evidence)

# %% [markdown]
# ## Measurements
# What was measured so far, and what is expected.

# %%
sections_markers.measurements(evidence)

# %% [markdown]
# ## Two ways of treating, compared

# %%
sections.contrast(evidence)

# %% [markdown]
# ## Quality-adjusted time
# Time lived, each day counted by its quality.

# %%
sections.quality(evidence)

# %% [markdown]
# ## What the answer rests on

# %%
sections.rests_on(evidence)

# %% [markdown]
# ## Limits

# %%
sections.limits(evidence)
