# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: jupytext.notebook_metadata_filter,jupytext.cell_metadata_filter,-all
# ---

# %% [markdown]
# # Sharing strength
# How much may a subgroup of 15 patients borrow from the others, from history, from experts; what
# does that do to the answer; and how does a reviewer see it. The data are published counts: ten
# subtypes of sarcoma under imatinib (Chugh et al. 2009, J Clin Oncol 27, 3148-3153).

# %% tags=["parameters"]
draws = 1000
tune = 1000
chains = 4
out = "out/sharing_strength"

# %%
from pathlib import Path

import pandas as pd

import twinbayes as tb
from twinbayes.checks import aggregate_borrowing
from twinbayes.model import ExNex, RobustMap
from twinbayes.priors import Mixture, effective_sample_size
from twinbayes.trials import Arm, Decision, TwoArmTrial, above

# %% [markdown]
# ## 1. The data
# One row a subgroup. Impossible rows (more responders than patients, blanks) are refused, all at
# once and with a remedy.

# %%
counts = pd.DataFrame(
    [("Angiosarcoma", 15, 2), ("Ewing", 13, 0), ("Fibrosarcoma", 12, 1), ("Leiomyosarcoma", 28, 6),
     ("Liposarcoma", 29, 7), ("MFH", 29, 3), ("Osteosarcoma", 26, 5), ("MPNST", 5, 1),
     ("Rhabdomyosarcoma", 2, 0), ("Synovial", 20, 3)],
    columns=["subgroup", "n", "responders"],
)  # fmt: skip
data = tb.read_aggregate(counts, name="Imatinib in ten sarcomas")
data

# %% [markdown]
# ## 2. Four answers to one question
# The same model and the same data; only the pooling differs. `none` listens to two patients of a
# subtype as if they were all there is, `complete` makes no difference between subtypes, and the
# other two let the data say how alike they are.

# %%
run = {"draws": draws, "tune": tune, "chains": chains, "seed": 1, "progressbar": False}
fits = {
    kind: tb.fit(tb.disease("basket", pooling=kind), data, **run)
    for kind in ("none", "complete", "exchangeable", "exnex")
}
pd.DataFrame({kind: fit.table()["mean"] for kind, fit in fits.items()}).assign(
    observed=fits["none"].table()["observed"]
).round(3)

# %%
{kind: fit.verdict.banner() for kind, fit in fits.items()}

# %% [markdown]
# How probable is it that a subtype belongs with the others? No draw ever decides; the probability
# is computed from each.

# %%
exnex = fits["exnex"]
exnex.exchangeability.round(2)

# %% [markdown]
# A strategy is a small object with its own settings; any of them works for response rates, means,
# hazards and curves alike. Compare a sceptical one.

# %%
alone = tb.fit(tb.disease("basket", pooling=ExNex(weights=(0.2, 0.8))), data, **run)
pd.DataFrame({"half and half": exnex.table()["mean"], "sceptical": alone.table()["mean"]}).round(3)

# %% [markdown]
# ## 3. Where do the answers come from?
# Each posterior mean is an average of the subtype's own data, the other subtypes, and the prior.
# The shares sum to one; with normal data they are exactly the weights of that average.

# %%
borrowed = aggregate_borrowing(exnex)
borrowed

# %%
shares = borrowed.table.set_index("subgroup")[["own subgroup", "other subgroups", "prior"]]
ax = shares[::-1].plot.barh(stacked=True, figsize=(8, 4), colormap="cividis")
ax.set(xlabel="share of the posterior mean", ylabel="")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))

# %% [markdown]
# ## 4. A prior for the next study
# What these subtypes say of one that has not been seen yet, as a mixture of beta distributions; how
# many patients it is worth; and a robust version, which gives way where data contradict it. Bounded
# is a mixture whose density is not infinite at 0 or 1; else that number need not exist.

# %%
mixture = fits["exchangeable"].prior_for_new_subgroup(components=(1, 2, 3), bounded=True).mixture
robust = mixture.robust(0.2)
{"patients": effective_sample_size(mixture), "patients, robust": effective_sample_size(robust)}

# %% [markdown]
# The same inside a fit: one subtype follows the others, or it does not.

# %%
followed = tb.fit(tb.disease("basket", pooling=RobustMap(target="Ewing")), data, **run)
followed.exchangeability

# %% [markdown]
# ## 5. Is the decision any good?
# Before a trial, exactly: how often would it succeed if the drug does nothing, and if it works?

# %%
trial = TwoArmTrial(
    Arm(Mixture.of("beta", [(1.0, 1.0, 1.0)]), 30), Arm(robust, 15), Decision.when(above(0.0, 0.95))
)
pd.DataFrame(
    {"control": [0.1, 0.2, 0.3], "type-I error": [trial.type_one_error(p) for p in (0.1, 0.2, 0.3)],
     "power at +30 points": [trial.power(p + 0.3, p) for p in (0.1, 0.2, 0.3)]}
).round(3)  # fmt: skip

# %% [markdown]
# `twinbayes simulate` does the same by simulation for models that have no closed form.
#
# ## 6. The review
# One file, the verdict first, with all of the above.

# %% tags=["reports"]
Path(out).mkdir(parents=True, exist_ok=True)
tb.review(exnex, Path(out) / "review.html")
