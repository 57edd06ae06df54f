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
# # Model review
# Everything a reviewer needs to judge one fit: what went in, what came out, and how well it
# agrees with the data.

# %% tags=["parameters"]
fit_path = ""
checks_path = ""
effects_path = ""
interval = 0.9

# %%
from twinbayes import load_fit
from twinbayes.report import collect, read_checks, read_effects
from twinbayes.report.reviewer import sections

evidence = collect(load_fit(fit_path), checks=read_checks(checks_path), interval=interval)
sections.verdict(evidence)

# %% [markdown]
# ## Data and exclusions
# Rows in equal rows used and rows listed here. Counts below 5 are suppressed.

# %%
sections.data(evidence)

# %% [markdown]
# ## The model
# Each arrow between states, and each start of a treatment, has an intensity of its own.

# %%
sections.model(evidence)

# %% [markdown]
# ## Priors and their evidence
# What was believed before these data, on which scale, and why.

# %%
sections.priors(evidence)

# %% [markdown]
# ## Prior predictive of state occupation
# Priors that say something absurd about patients are wrong, whatever they say about parameters.

# %%
sections.prior_predictive(evidence)

# %% [markdown]
# ## Diagnostics
# Whether the chains agree and moved enough. One failure anywhere means not for use.

# %%
sections.diagnostics(evidence)

# %% [markdown]
# ## Shrinkage
# What each subgroup's own data say, beside what the model makes of it with the help of the
# others. Small subgroups should move towards 1, large ones should stay.

# %%
sections.shrinkage(evidence)

# %% [markdown]
# ## Calibration
# Predictions are made at origin for every patient, under the registry's own treatment policy, and
# averaged. Observed is the Aalen–Johansen estimate, which assumes no model.

# %%
sections.calibration(evidence)

# %% [markdown]
# ## Scores
# How well predictions made at origin tell patients apart, and how close they come.

# %%
sections.scores(evidence)

# %% [markdown]
# ## Trajectories
# Repeated measurements as curves, one a patient: whether the model would have measured the same,
# and which hazards follow them.

# %%
sections.trajectories(evidence)

# %% [markdown]
# ## Treatment effects by subgroup
# Hazard ratios of patients who have started a treatment against those who have not.

# %%
sections.treatment_effects(evidence)

# %% [markdown]
# Effects on outcomes, as asked for: who, against what, on what, until when.

# %%
sections.estimands(read_effects(effects_path))

# %% [markdown]
# ## Where the effects come from
# Shares of the subgroup's own data, of other subgroups and of the prior in the posterior mean of
# each log hazard ratio. Small subgroups borrow most.

# %%
sections.borrowing(evidence)

# %% [markdown]
# ## Prior sensitivity
# What changes if the priors, or the data, count a little more. Both at once is a conflict between
# them; the priors alone, an answer that is mostly the priors'.

# %%
sections.prior_sensitivity(evidence)

# %% [markdown]
# ## Further evidence

# %%
sections.further(evidence)

# %% [markdown]
# ## Limits

# %%
sections.limits(evidence)

# %% [markdown]
# ## Provenance

# %%
sections.provenance(evidence)
