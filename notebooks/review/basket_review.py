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
context_path = ""

# %%
from IPython.display import Markdown, display

from twinbayes import load_fit
from twinbayes.report.required.chapters import chapters
from twinbayes.report.required.context import context_of
from twinbayes.report.reviewer.aggregate import BASKET_REVIEW, collect_aggregate

evidence = collect_aggregate(load_fit(fit_path), interval=interval)
for chapter in chapters(BASKET_REVIEW, evidence, context_of(context_path or None)):
    display(Markdown(chapter.markdown), chapter)
