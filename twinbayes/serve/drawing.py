"""Pictures as inline SVG: complete without scripts, each with a sentence that tells it.

Colours are presentation attributes, since pages allow no style but that of their one sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from twinbayes.arrays import Floats

_WIDTH: Final = 640
_HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 34  # with letters of _TEXT
_TEXT: Final = 13
_FIGURE: Final = 22  # of an icon array, with its margin


@dataclass(frozen=True)
class Curve:
    """A curve with its band.

    Attributes
    ----------
    mean, lower, upper
        (time,) shares from 0 to 1.
    colour
        Of the line; the band has it too.
    dash
        Pattern of the line, so that curves are told apart without colours; "" of a full one.
    """

    mean: Floats
    lower: Floats
    upper: Floats
    colour: str
    dash: str = ""


def survival_curves(
    years: Floats, curves: Sequence[Curve], alt: str, label: str, text: int = _TEXT
) -> Markup:
    """Draw curves over years, shares as people out of 100.

    Parameters
    ----------
    years
        (time,)
    alt
        What the picture shows, in a sentence.
    label
        Of the axis of years.
    text
        Size of letters, of a picture 640 wide.
    """
    k = text / _TEXT
    left, bottom = _LEFT * k, _BOTTOM * k
    inner_w, inner_h = _WIDTH - left - _RIGHT, _HEIGHT - _TOP - bottom

    def x(year: float) -> float:
        return left + inner_w * year / float(years[-1])

    def y(share: float) -> float:
        return _TOP + inner_h * (1.0 - min(max(share, 0.0), 1.0))

    parts = [_opened(_WIDTH, _HEIGHT, alt, "chart", text)]
    parts += [
        f'<line x1="{left:.0f}" x2="{_WIDTH - _RIGHT}" y1="{y(share):.1f}" y2="{y(share):.1f}" '
        'stroke="#c9ced6" stroke-width="1"/>'
        f'<text x="{left - 6:.0f}" y="{y(share) + 4 * k:.1f}" text-anchor="end">{100 * share:.0f}'
        "</text>"
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    step = max(1, int(np.ceil(float(years[-1]) / 10)))
    parts += [
        f'<text x="{x(year):.1f}" y="{_HEIGHT - 16 * k:.0f}" text-anchor="middle">{year}</text>'
        for year in range(0, int(years[-1]) + 1, step)
    ]
    middle = left + inner_w / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{_HEIGHT - 3 * k:.0f}" text-anchor="middle">{escape(label)}'
        "</text>"
    )
    for c in curves:
        there = [f"{x(t):.1f},{y(v):.1f}" for t, v in zip(years, c.upper, strict=True)]
        back = [f"{x(t):.1f},{y(v):.1f}" for t, v in zip(years, c.lower, strict=True)][::-1]
        line = [f"{x(t):.1f},{y(v):.1f}" for t, v in zip(years, c.mean, strict=True)]
        dash = f' stroke-dasharray="{c.dash}"' if c.dash else ""
        parts.append(
            f'<polygon points="{" ".join(there + back)}" fill="{c.colour}" fill-opacity="0.18"/>'
            f'<polyline points="{" ".join(line)}" fill="none" stroke="{c.colour}" '
            f'stroke-width="2.5"{dash}/>'
        )
    return Markup("".join(map(str, parts)) + "</svg>")  # noqa: S704 - texts are escaped above


def icon_array(n: int, low: int, high: int, alt: str) -> Markup:
    """Draw 100 figures: `n` filled, and those that the interval leaves open hatched by a ring.

    Parameters
    ----------
    n, low, high
        People of 100: the mean, and the ends of its interval.
    """
    size = 10 * _FIGURE + 4
    parts = [_opened(size, size, alt, "icons")]
    for k in range(100):
        cx, cy = 2 + _FIGURE * (k % 10 + 0.5), 2 + _FIGURE * (k // 10 + 0.5)
        fill = "#1f5c99" if k < n else "#ffffff"
        open_ = low <= k < high
        stroke, width = ("#b35900", 3) if open_ else ("#1f5c99" if k < n else "#8a93a0", 1)
        parts.append(
            f'<circle cx="{cx:.0f}" cy="{cy:.0f}" r="8" fill="{fill}" stroke="{stroke}" '
            f'stroke-width="{width}"/>'
        )
    return Markup("".join(map(str, parts)) + "</svg>")  # noqa: S704 - the text is escaped


def _opened(width: int, height: int, alt: str, kind: str, text: int = _TEXT) -> str:
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}" '
        f'xmlns="http://www.w3.org/2000/svg" font-size="{text}" font-family="sans-serif" '
        'fill="#1b2430">'
    )
