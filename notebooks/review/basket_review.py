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
from IPython.display import Markdown, display

from twinbayes import load_fit
from twinbayes.report.html.fragments import glance
from twinbayes.report.reviewer.aggregate import BASKET_REVIEW, collect_aggregate

evidence = collect_aggregate(load_fit(fit_path), interval=interval)
shown = [(section, section.show(evidence)) for section in BASKET_REVIEW]
display(shown[0][1], glance((section.heading, block) for section, block in shown))
for section, block in shown[1:]:
    display(Markdown(section.markdown), block)
