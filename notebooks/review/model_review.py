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
context_path = ""

# %%
from IPython.display import Markdown, display

from twinbayes import load_fit
from twinbayes.report import collect, read_checks, read_effects
from twinbayes.report.required.chapters import chapters
from twinbayes.report.required.context import context_of
from twinbayes.report.reviewer.sections import REVIEW

evidence = collect(
    load_fit(fit_path),
    checks=read_checks(checks_path),
    effects=read_effects(effects_path),
    interval=interval,
)
for chapter in chapters(REVIEW, evidence, context_of(context_path or None)):
    display(Markdown(chapter.markdown), chapter)
