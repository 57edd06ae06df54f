"""The model in formulae, as MathML: browsers draw it without any script."""

from __future__ import annotations

from html import escape
from typing import Final

from twinbayes.model import ModelSpec
from twinbayes.report.html.fragments import Block, block, bullets

_WORDS: Final = {
    "λ⁰": "baseline hazard of intensity e",
    "x · β": "baseline covariates; β is shrunk, with one scale a covariate group and intensity",
    "a": "level of the patient's subgroup, partially pooled; the levels sum to zero",
    "r": "level of the patient's centre, likewise",
    "θ": "log hazard ratios of the treatment effects f acting at t, each with its own value in "
    "every subgroup",
    "ε": "log hazard ratio of the era in which the state was entered, for intensities that tell "
    "eras apart; they sum to zero",
    "f": "log hazard ratio of one standard deviation of the patient's frailty b, which is standard "
    "normal and integrated out of the likelihood",
    "α": "log hazard ratios of the features of marker curves that hazards follow",
    "m": "such a feature of the patient's curve at t",
    "δ": "log hazard ratios in the window of t, of effects that change with time; they average "
    "zero over the windows",
}


def hazard_formula(spec: ModelSpec) -> Block:
    """Return the log hazard of patient i and intensity e, and its likelihood."""
    terms = [
        _row(_log(_sub_sup("λ", "e", "0")), _arg("t")),
        _row(_sub("x", "i"), _op("·"), _sub("β", "e")),
        _row(_sub("a", "e"), _op("["), _text("subgroup"), _id("i"), _op("]")),
        _row(_sub("r", "e"), _op("["), _text("centre"), _id("i"), _op("]")),
    ]
    used = ["λ⁰", "x · β", "a", "r"]
    if spec.graph.effects:
        total = f"<munder><mo>∑</mo>{_row(_id('f'), _op('∈'), _id('F'), _arg('t'))}</munder>"
        terms.append(_row(total, _sub("θ", "f"), _op("["), _text("subgroup"), _id("i"), _op("]")))
        used.append("θ")
    if spec.graph.entry_eras:
        terms.append(_row(_sub("ε", "e"), _op("["), _text("era of entry"), _id("i"), _op("]")))
        used.append("ε")
    if spec.events.time_varying:
        total = f"<munder><mo>∑</mo>{_id('v')}</munder>"
        terms.append(_row(total, _sub("δ", "v"), _op("["), _text("window of"), _id("t"), _op("]")))
        used.append("δ")
    if spec.events.frailty:
        terms.append(_row(_sub("f", "e"), _sub("b", "i")))
        used.append("f")
    if spec.associations:
        total = f"<munder><mo>∑</mo>{_id('k')}</munder>"
        terms.append(_row(total, _sub("α", "ke"), _sub("m", "ki"), _arg("t")))
        used += ["α", "m"]
    left = _row(_log(_sub("λ", "ie")), _arg("t"))
    body = left + _op("=") + _op("+").join(terms)
    gain = _row(_sub("d", "ie"), _log(_sub("λ", "ie")), _arg("t"))
    loss = f"<mo>∫</mo>{_row(_sub('λ', 'ie'), _arg('u'), _id('d'), _id('u'))}"
    total = "<munder><mo>∑</mo><mtext>rows at risk</mtext></munder>"
    likelihood = _text("log-likelihood") + _op("=") + total + _op("(") + gain + _op("−") + loss
    return block(
        _display(body),
        _display(likelihood + _op(")")),
        bullets(f"{key}: {_WORDS[key]}" for key in used),
    )


def _display(content: str) -> Block:
    # Who uses a keyboard alone scrolls what the keyboard can reach.
    return Block(
        '<div class="formula" tabindex="0" role="group" aria-label="Formula">'
        f'<math display="block" displaystyle="true"><mrow>{content}</mrow></math></div>'
    )


def _id(name: str) -> str:
    return f"<mi>{escape(name)}</mi>"


def _op(sign: str) -> str:
    return f"<mo>{escape(sign)}</mo>"


def _text(word: str) -> str:
    return f"<mtext>{escape(word)}</mtext><mspace width='0.2em'/>"


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _arg(name: str) -> str:
    return _op("(") + _id(name) + _op(")")


def _log(of: str) -> str:
    return f"<mi>log</mi><mspace width='0.15em'/>{of}"


def _sub(base: str, below: str) -> str:
    return f"<msub>{_id(base)}{_id(below)}</msub>"


def _sub_sup(base: str, below: str, above: str) -> str:
    return f"<msubsup>{_id(base)}{_id(below)}<mn>{escape(above)}</mn></msubsup>"
