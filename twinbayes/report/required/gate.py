"""What every review says of the gate, of what is under review, and of signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twinbayes.inference import Verdict
from twinbayes.inference.gate.verdict import EBFMI_MIN, ESS_MIN, RHAT_MAX
from twinbayes.report.html import fragments as f

USABLE_MEANS: Final = (
    "Usable says that the computation converged and may be read. It does not say that the model is "
    "right, nor that it may guide care: judge that by the evidence below."
)
_TO_SIGN: Final = "role, name, meaning, date and time:"


def gate_block(judged: Verdict, manifest: Mapping[str, Any]) -> f.Block:
    """Return what the gate measured, what to change, what is under review, and who signs."""
    return f.block(
        f.heading("The gate"),
        f.paragraph(judged_words(judged)),
        f.bullets(f"To change: {advice}." for advice in judged.advice) if judged.advice else None,
        f.paragraph(USABLE_MEANS, "note"),
        f.heading("What is under review"),
        f.pairs(identity_of(manifest)),
        signatures(),
    )


def judged_words(judged: Verdict) -> str:
    """Say what the gate measured, beside its bars."""
    s = judged.summary
    return (
        f"{s['n_scalars']:.0f} quantities, {s['chains']:.0f} chains of {s['draws']:.0f} draws: "
        f"R-hat at most {s['max_rhat']:.3f} (bar {RHAT_MAX:g}), effective sample size at least "
        f"{s['min_ess_bulk']:.0f} in the bulk and {s['min_ess_tail']:.0f} in the tails "
        f"(bar {ESS_MIN:g}), "
        f"{s['divergences']:.0f} divergences (bar 0), E-BFMI at least {s['min_ebfmi']:.2f} "
        f"(bar {EBFMI_MIN:g})."
    )


def identity_of(manifest: Mapping[str, Any]) -> dict[str, object]:
    """Return what a signature is put under: date of the fit and hashes."""
    names = {
        "created": "fitted", "spec_hash": "hash of the model", "prior_hash": "hash of the priors",
        "cohort_fingerprint": "fingerprint of the data",
        "data_fingerprint": "fingerprint of the data",
    }  # fmt: skip
    found = {label: manifest[key] for key, label in names.items() if key in manifest}
    versions = manifest.get("versions", {})
    return found | {"version of twinbayes": versions.get("twinbayes", f.NOTHING)}


def signatures() -> f.Block:
    """Return the block to be signed: nobody has yet."""
    return f.block(
        f.heading("Signatures"),
        f.not_provided(
            "Signatures: role, meaning and time of who wrote, checked and approved this review. "
            "To provide: sign a printed copy below, or in a system that keeps signatures."
        ),
        f.pairs(dict.fromkeys(("written by", "checked by", "approved by"), _TO_SIGN)),
    )
