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
from IPython.display import Markdown, display

from twinbayes import load_fit
from twinbayes.report import collect, read_checks, read_effects
from twinbayes.report.html.fragments import glance
from twinbayes.report.reviewer.sections import REVIEW

evidence = collect(
    load_fit(fit_path),
    checks=read_checks(checks_path),
    effects=read_effects(effects_path),
    interval=interval,
)
shown = [(section, section.show(evidence)) for section in REVIEW]
display(shown[0][1], glance((section.heading, block) for section, block in shown))
for section, block in shown[1:]:
    display(Markdown(section.markdown), block)
