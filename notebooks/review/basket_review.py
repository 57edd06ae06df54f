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
# # Review of aggregate data
# A basket trial or historical controls: what each subgroup's own data say, what the model makes of
# them, and where its answers come from.

# %% tags=["parameters"]
fit_path = ""
interval = 0.9

# %%
from twinbayes import load_fit
from twinbayes.report.reviewer import aggregate as sections

evidence = sections.collect_aggregate(load_fit(fit_path), interval=interval)
sections.verdict(evidence)

# %% [markdown]
# ## Data

# %%
sections.data(evidence)

# %% [markdown]
# ## The model and its priors

# %%
sections.model(evidence)

# %% [markdown]
# ## Estimates
# Each subgroup alone, and with what it borrows; beside them what complete pooling and none at all
# would say.

# %%
sections.estimates(evidence)

# %% [markdown]
# ## Exchangeability
# How probable it is, given the data, that a subgroup belongs with the others.

# %%
sections.exchangeability(evidence)

# %% [markdown]
# ## Where the estimates come from
# Shares of the subgroup's own data, of the other subgroups, and of the prior in each estimate. A
# conflict is a result that would be a surprise in a new subgroup.

# %%
sections.borrowing(evidence)

# %% [markdown]
# ## A prior for the next subgroup

# %%
sections.next_prior(evidence)

# %% [markdown]
# ## Provenance

# %%
sections.provenance(evidence)
