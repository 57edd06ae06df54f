"""The first screen of a review: may I use it, for whom not, why, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from twinbayes.checks.result import OUT_OF_SAMPLE, CheckResult
from twinbayes.report.figures.look import words
from twinbayes.report.html import fragments as f
from twinbayes.report.required.context import ReviewContext
from twinbayes.report.required.demands import Demand

#: Reasons that the banner lists; the others unfold.
_REASONS: Final = 6
_NO_DEVICE: Final = (
    "This is research software and no medical device: it replaces nobody's clinical judgement."
)
type Found = Sequence[tuple[Demand, f.Block]]


@dataclass(frozen=True)
class Judged:
    """What the first screen has to know of a fit.

    Attributes
    ----------
    usable, reasons
        The verdict of the gate, and what speaks against use.
    simulated
        Whether the data describe nobody.
    not_for
        For whom, or for what, the evidence does not reach: a sentence each.
    say
        From a reason, which names parameters, to words.
    """

    usable: bool
    reasons: tuple[str, ...]
    simulated: bool = False
    not_for: tuple[str, ...] = ()
    say: Callable[[str], str] = words


def first_screen(judged: Judged, found: Found, context: ReviewContext) -> f.Block:
    """Return the banner and four answers in words.

    Parameters
    ----------
    judged
        Of the fit.
    found
        All sections, and what is shown in each.
    context
        What the author says.
    """
    checks = [(demand, c) for demand, shown in found for c in shown.checks]
    answers = (
        (
            "May I use it?",
            [f.paragraph(x) for x in _may_i(judged, [c for _, c in checks], context)],
        ),
        ("For whom, or for what, not?", [f.bullets(_not_for(judged, context))]),
        ("Why?", list(_why(judged, checks))),
        ("What is missing?", list(_missing(found))),
    )
    cards = "".join(
        f'<div class="answer">{f.block(f.heading(asked), *said).html}</div>'
        for asked, said in answers
    )
    return f.block(
        _banner(judged, [c for _, c in checks]),
        f.Block(f'<div class="answers">{cards}</div>', given=True),
    )


def standing(judged: Judged, checks: Sequence[CheckResult]) -> tuple[str, str]:
    """Return the words of the banner, and the class of its colour.

    That the chains converged is told as such, and never alone: green is what no check speaks
    against and what was validated on patients whom the model has not seen.
    """
    failed = sum(c.verdict == "fail" for c in checks)
    warned = sum(c.verdict == "warn" for c in checks)
    if not judged.usable:
        return "NOT FOR USE", "not-for-use"
    if failed:
        return f"CONVERGED, BUT {_number(failed, 'CHECK')} FAILED", "not-for-use"
    if not _held_out(checks):
        return "CONVERGED, NOT VALIDATED ON UNSEEN PATIENTS", "caution"
    if warned:
        return f"CONVERGED, WITH {_number(warned, 'WARNING')}", "caution"
    return "CONVERGED, NO CHECK FAILED", "usable"


def _held_out(checks: Sequence[CheckResult]) -> bool:
    return any(c.topic == OUT_OF_SAMPLE and c.verdict != "not_provided" for c in checks)


def _number(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}S"


def _banner(judged: Judged, checks: Sequence[CheckResult]) -> f.Block:
    text, colour = standing(judged, checks)
    lines = [judged.say(reason) for reason in judged.reasons]
    why = f.bullets(lines[:_REASONS]).html if lines else ""
    if len(lines) > _REASONS:
        rest = lines[_REASONS:]
        why += f.folded(f"and {len(rest)} more reasons", f.bullets(rest)).html
    label = '<div class="simulated">SIMULATED DATA: no row describes a real person.</div>'
    return f.block(
        f.Block(f'<div class="verdict {colour}">{escape(text)}{why}</div>', given=True),
        f.Block(label) if judged.simulated else None,
    )


def _may_i(judged: Judged, checks: Sequence[CheckResult], context: ReviewContext) -> Iterator[str]:
    failed = [c.name for c in checks if c.verdict == "fail"]
    if not judged.usable:
        yield "No. The draws do not represent the posterior: rely on no number of this report."
    elif judged.simulated:
        yield (
            "For trying the method, yes. For no patient: the data are simulated and say nothing "
            "about any disease."
        )
    if judged.usable and failed:
        yield f"Not for what the failed checks are about: {', '.join(failed)}."
    elif judged.usable and not judged.simulated and not _held_out(checks):
        yield (
            "For describing these patients, with the limits below. Not yet for predicting others: "
            "no prediction was put to a test on patients whom the model has not seen."
        )
    elif judged.usable and not judged.simulated:
        within = "the context of use and " if "context_of_use" in context else ""
        yield f"Within {within}the limits below, nothing in this report forbids it."
    if judged.usable:
        yield (
            "The chains converged (USABLE, which says this alone): the numbers are those of this "
            "model. Whether the model is right is what the checks below are about."
        )
    if "context_of_use" in context:
        yield f"Context of use, as its author says: {context.text('context_of_use')}"
        if "adequacy" in context:
            yield f"Adequacy, as its author says: {context.text('adequacy')}"
    else:
        yield (
            "Its author has not said what it is for (NOT PROVIDED): whether it is adequate for a "
            "purpose cannot be judged."
        )
    yield _NO_DEVICE


def _not_for(judged: Judged, context: ReviewContext) -> list[str]:
    own = [f"As its author says: {line}" for line in context.said.get("not_for", ())]
    lines = [*own, *judged.not_for]
    return lines or ["NOT PROVIDED: neither the author nor the evidence names a limit."]


def _why(judged: Judged, checks: Sequence[tuple[Demand, CheckResult]]) -> Iterator[f.Block]:
    if not judged.usable:
        yield f.paragraph("The gate refused the draws, for the reasons in the banner.")
    against = sorted(
        ((d, c) for d, c in checks if c.verdict in ("fail", "warn")),
        key=lambda found: found[1].verdict != "fail",
    )
    if against:
        yield f.linked(
            (d.anchor, f"{c.label}: {c.name} (section {d.number})", f". {_brief(words(c.text))}")
            for d, c in against
        )
    passed = [c.name for _, c in checks if c.verdict == "pass"]
    told = f"Passed: {', '.join(passed)}." if passed else "No check passed."
    if not against and checks:
        told = f"No check failed or warned. {told}"
    yield f.paragraph(told)


def _brief(text: str, most: int = 150) -> str:
    """The first sentences of a check, as far as they fit."""
    said = text
    if len(said) <= most:
        return said
    cut = said.rfind(". ", 0, most)
    return said[: cut + 1] if cut > 0 else f"{said[:most].rsplit(' ', 1)[0]} …"


def _missing(found: Found) -> Iterator[f.Block]:
    none = [d for d, shown in found if shown.gaps and not shown.given]
    some = [(d, shown) for d, shown in found if shown.gaps and shown.given]
    if not none and not some:
        yield f.paragraph("Nothing: all sections have their evidence.")
        return
    yield f.paragraph(
        f"Of {len(found)} sections {len(some)} are provided in part, and {len(none)} NOT PROVIDED"
        f"{':' if none else '.'}"
    )
    if none:
        yield f.linked((d.anchor, d.title, "") for d in none)
    if some:
        yield f.folded(
            f"{len(some)} sections that are provided in part, and what each lacks",
            f.linked(
                (d.anchor, d.title, f": {' '.join(map(_brief, shown.gaps))}") for d, shown in some
            ),
        )
