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
at: float | None = None
until: float | None = None
scenarios = ""
interval = 0.9
show_patient_ids = False

# %%
from IPython.display import Markdown, display

from twinbayes import load_fit, read_cohort
from twinbayes.report import collect_patient, scenarios_from_json
from twinbayes.report.patient.sections import PATIENT_REPORT

evidence = collect_patient(
    load_fit(fit_path),
    read_cohort(cohort_path) if cohort_path else patient,
    at=at,
    until=until,
    scenarios=scenarios_from_json(scenarios),
    interval=interval,
    show_patient_ids=show_patient_ids,
)
for section in PATIENT_REPORT:
    display(Markdown(section.markdown), section.show(evidence))
