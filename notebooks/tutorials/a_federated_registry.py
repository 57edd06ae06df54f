# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: jupytext.notebook_metadata_filter,jupytext.cell_metadata_filter,-all
# ---

# %% [markdown]
# # A federated registry
# Three hospitals fit one model, and no patient's record leaves any of them. Each hospital, and the
# coordinating centre, is a process of its own here, with a folder of its own; what goes from one to
# another are files, which this notebook carries. The patients are **simulated**.
#
# It takes some minutes and needs the extra `federation`. The same on paper, with who does what:
# `docs/how-to/federation.md`.

# %% tags=["parameters"]
seed = 1  # as in the other tutorials; no other was tried
out = "out/a_federated_registry"

# %%
import base64
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes.federation import load_federated
from twinbayes.model import Term

# %% [markdown]
# ## 1. Who takes part
# The registry has five centres. `north` is the largest; `south` and `west` have two each.

# %%
registry = tb.datasets.simulated_registry()
sites = {
    "north": ["centre_A"],
    "south": ["centre_B", "centre_D"],
    "west": ["centre_C", "centre_E"],
}
place = Path(out).resolve()
for name, centres in sites.items():
    shutil.rmtree(place / name, ignore_errors=True)
    own = registry.patients.loc[registry.patients["centre"].isin(centres), "patient_id"]
    registry.select(list(own)).write(place / name / "cohort")
deaths = registry.events.query("event == 'death'").merge(registry.patients, on="patient_id")
pd.DataFrame({
    "hospital": {centre: name for name, centres in sites.items() for centre in centres},
    "patients": registry.patients["centre"].value_counts(),
    "deaths": deaths["centre"].value_counts(),
})  # fmt: skip

# %% [markdown]
# What is agreed on before anything is asked: overall survival, by four covariates, subgroup and
# centre. Remission and relapse are in the hospitals' tables and move nobody in this model.

# %%
clinical = {"age_years": "standardise", "sex": "category", "ecog": "standardise", "wbc_g_l": "log"}
covariates = tuple(
    Term(name=name, group="clinical", transform=transform) for name, transform in clinical.items()
)
spec = tb.disease("survival", covariates=covariates).ignoring("complete_remission", "relapse")
shutil.rmtree(place / "centre", ignore_errors=True)
(place / "centre").mkdir(parents=True)
model_file = spec.write(place / "centre" / "survival.yaml")

# %% [markdown]
# Everybody works with `twinbayes federation` on a command line. Python takes seconds to start, and
# a study has about eighty commands: each party keeps one Python open here, in its own folder, that
# reads the same commands line by line.

# %% tags=["hide-input"]
SHELL = """
import shlex, sys
from importlib.metadata import entry_points

[twinbayes] = entry_points(group="console_scripts", name="twinbayes")
run = twinbayes.load()
for line in sys.stdin:
    try:
        run(shlex.split(line))
    except SystemExit as done:
        print(f"exit {done.code}", flush=True)
"""
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
parties = {
    name: subprocess.Popen(  # noqa: S603 - this Python, and the lines above
        [sys.executable, "-c", SHELL], cwd=place / name, text=True, **pipes
    )
    for name in ("centre", *sites)
}


def at(name, command, shown=True, code=0):
    """Give a command to a party; print and return what it says."""
    party, lines = parties[name], []
    party.stdin.write(f"federation {command}\n")
    party.stdin.flush()
    while (line := party.stdout.readline()) and not line.startswith("exit "):
        lines.append(line)
    said = "".join(lines)
    if shown:
        for text in (f"{name}$ twinbayes federation {command}", *said.splitlines()):
            print(textwrap.fill(text, 100, subsequent_indent="    ", break_on_hyphens=False))
    if line != f"exit {code}\n":
        raise RuntimeError(f"{name}: {command}: {line or 'ended'}\n{said}")
    return said


def carry(sender, receiver):
    """Copy what a party has put out for another into the inbox of that one."""
    box = place / sender / "study" / "outbox"
    for file in (box / receiver if sender == "centre" else box).glob("*"):
        shutil.copy(file, place / receiver / "study" / "inbox")


# %% [markdown]
# ## 2. The study begins
# The centre makes an invitation. It goes by mail; the key is told by telephone.

# %%
said = at(
    "centre",
    f"start --disease survival.yaml --sites {','.join(sites)} --seed {seed} --out study",
)
centre_key = said.partition("Key: ")[2].split()[0]

# %%
keys = {}
for name in sites:
    shutil.copy(place / "centre" / "study" / "outbox" / "invitation.json", place / name)
    said = at(
        name,
        f"join invitation.json --site {name} --server-key {centre_key} --out study",
        shown=name == "north",
    )
    keys[name] = said.partition("Key: ")[2].split()[0]
    carry(name, "centre")

# %%
said = at("centre", "step study " + " ".join(f"--pin {name}={key}" for name, key in keys.items()))

# %% [markdown]
# ## 3. A round, as a hospital sees it
# The first question is for names: of subgroups, centres, covariates and levels, in plain text.
# `answer` writes a draft and says what would leave. Nothing leaves until a person releases it.

# %%
carry("centre", "north")
said = at("north", "answer study cohort")

# %%
said = at("north", 'release study --by "A. Rossi"')

# %% [markdown]
# ## 4. The other rounds
# Ask, answer, release, carry: until the centre has a posterior, with a **verdict** as of any fit.
# The **certificate** says how far the centre's function, made of sums, is from the likelihood of
# all patients together.

# %%
posterior_file = place / "centre" / "study" / "posterior.nc"
steps = []
for _ in range(15):
    for name in sites:
        carry("centre", name)
        at(name, "answer study cohort", shown=False)
        at(name, f'release study --by "Data officer of {name}"', shown=False)
        carry(name, "centre")
    said = at("centre", "step study", shown=False)
    if posterior_file.exists():
        break
    steps.append(said.splitlines()[0])
print("\n".join(steps), said, sep="\n", end="")

# %% [markdown]
# ## 5. What has left
# Every party has a ledger. This is what `north` has released: how many numbers, of how many that
# it holds, and by whom. More numbers leave than are held; that they are sums is what protects
# patients, not that they are few.

# %%
ledger = pd.read_json(place / "north" / "study" / "ledger.jsonl", lines=True)
sent = ledger.query("event == 'sent'").astype({"round": int, "numbers": int, "held": int})
sent.set_index("round")[["kind", "numbers", "held", "released_by"]]

# %% [markdown]
# And nobody sees even `north`'s sums. The first number of the second answer is how many patients a
# hospital has. What travels is that number plus noise on which the hospitals have agreed in pairs;
# only in the sum of all three the noise cancels.


# %%
def first_number(name):
    [file] = (place / name / "study" / "messages").glob(f"001-{name}-*.msg")
    message = json.loads(file.read_bytes().splitlines()[3])
    return int(np.frombuffer(base64.b64decode(message["body"]["masked"]["u8"]), "<u8")[0])


masked = {name: first_number(name) for name in sites}
total = sum(masked.values()) % 2**64 / 2**24  # numbers are kept to a sixteen-millionth
pd.Series({**masked, "sum, noise cancelled": total}, dtype=object, name="patients").to_frame()

# %% [markdown]
# ## 6. Beside the pooled fit
# These patients are simulated, so that the forbidden can be done: all records in one place, fitted
# with `tb.fit`. A few effects, named before either fit was made; log hazard ratios of death, of
# numeric covariates per standard deviation.

# %%
federated = load_federated(posterior_file)
pooled = tb.fit(spec, registry, seed=seed, progressbar=False)
pooled.verdict.banner()

# %%
EFFECTS = {"beta": "covariate", "subgroup_effect": "subgroup", "centre_effect": "centre"}


def summary(fitted):
    """Return mean, sd and a 90 % interval of all effects, one a row."""
    found = {}
    for variable, dim in EFFECTS.items():
        draws = fitted.datatree["posterior"][variable].squeeze("transition")
        for label in draws[dim].to_numpy():
            x = draws.sel({dim: label}).to_numpy().ravel()
            found[label] = (x.mean(), x.std(), *np.quantile(x, (0.05, 0.95)))
    return pd.DataFrame.from_dict(found, orient="index", columns=["mean", "sd", "low", "high"])


each = pd.concat({"federated": summary(federated), "pooled": summary(pooled)}, axis=1)
named = ["age_years", "ecog", "log_wbc_g_l", "mixed_phenotype", "acute_undifferentiated"]
each.loc[named, [(fit, what) for fit in ("federated", "pooled") for what in ("mean", "sd")]].round(
    3
)

# %% [markdown]
# All effects, with 90 % intervals:

# %%
figure, ax = plt.subplots(figsize=(8, 5.5))
rows = np.arange(len(each))
for fit, shift, colour in (("pooled", 0.15, "tab:orange"), ("federated", -0.15, "tab:blue")):
    one = each[fit]
    ax.hlines(rows + shift, one["low"], one["high"], color=colour)
    ax.plot(one["mean"], rows + shift, "o", color=colour, markersize=4, label=fit)
ax.axvline(0.0, color="black", linewidth=0.8)
ax.set_yticks(rows, [label.replace("_", " ") for label in each.index])
ax.invert_yaxis()
ax.set(xlabel="log hazard ratio of death", title="One model, two ways. SIMULATED DATA")
ax.legend()
figure.tight_layout()

# %%
gap = (each["federated"]["mean"] - each["pooled"]["mean"]).abs() / each["pooled"]["sd"]
print(f"{(gap <= 0.1).sum()} of {len(gap)} means within a tenth of a standard deviation")
print(f"the furthest: {gap.idxmax()}, {gap.max():.2f} standard deviations")

# %% [markdown]
# They are near, and not the same. The certificate cannot see why: it speaks of the sums that the
# hospitals give, and **what stands on fewer than five patients, or five of their events, is not
# given**. `centre_E` has four deaths: its own level is left to the prior, and as levels sum to
# zero, those of the other centres move a little. Large models of few patients lose more, and many
# patients lose less: `docs/how-to/federation.md` has figures.

# %% [markdown]
# ## 7. A twin at a hospital
# The posterior holds draws and no patient. `north` adds its own patients, which never left it.

# %%
shutil.copy(posterior_file, place / "north")
said = at("north", "fit study posterior.nc cohort --out fit.nc")

# %% [markdown]
# Its first patient on the day of diagnosis, with what is known on that day: by the federated fit,
# by the pooled one, and by what `north` would know alone.

# %%
joint = tb.load_fit(place / "north" / "fit.nc")
alone = tb.fit(spec, tb.read_cohort(place / "north" / "cohort"), seed=seed, progressbar=False)
patient = joint.cohort.patient_ids[0]
figure, ax = plt.subplots(figsize=(8, 3.8))
for label, fitted, style in (
    ("north alone", alone, {"color": "black", "linestyle": ":"}),
    ("federated", joint, {"color": "tab:blue"}),
    ("pooled", pooled, {"color": "tab:orange", "linestyle": "--"}),
):
    course = fitted.twin(patient, at=0.0).forecast(until=5 * 365.25).isel(patient=0)
    years = course["time"] / 365.25
    ax.plot(years, course["survival"], label=label, **style)
    for bound in ("survival_lower", "survival_upper"):
        ax.plot(years, course[bound], linewidth=0.8, **style)
ax.set(
    xlabel="years from diagnosis",
    ylabel="survival",
    ylim=(0, 1),
    title="One patient, three fits: mean and 90 % interval. SIMULATED DATA",
)
ax.legend()
figure.tight_layout()

# %% [markdown]
# ## 8. Afterwards
# `verify` does everything again: at a hospital, each answer from its patients, compared byte for
# byte with what was released. Keep the hash at the end elsewhere.

# %%
said = at("north", "verify study cohort")
said = at("centre", "verify study --quick")

# %% [markdown]
# One byte of a copy of `north`'s ledger is changed:

# %%
shutil.rmtree(place / "north" / "altered", ignore_errors=True)
shutil.copytree(place / "north" / "study", place / "north" / "altered")
altered = place / "north" / "altered" / "ledger.jsonl"
content = bytearray(altered.read_bytes())
content[len(content) // 2] ^= 1
altered.write_bytes(content)
said = at("north", "verify altered --quick", code=3)

# %%
for party in parties.values():
    party.communicate()

# %% [markdown]
# ## What to keep in mind
# - A hospital's own numbers are hidden among the others', not from all the others together. Three
#   is the fewest; what could be learnt from the sums is in `docs/how-to/data_protection.md`.
# - No noise is added, and nothing here makes data anonymous in the sense of the law.
# - Not told: effects on fewer than five patients, a small centre's own level, curves of markers, a
#   frailty. `start --minimum` sets the five, and each hospital may insist on more.
#
# ## Where next
# - With people, mail and telephones: `docs/how-to/federation.md`.
# - Through vantage6 or NVFlare, where hospitals have them: `docs/how-to/federation_engines.md`.
