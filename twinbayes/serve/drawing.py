"""Pictures as inline SVG: complete without scripts, each with a sentence that tells it.

Colours are presentation attributes, since pages allow no style but that of their one sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from twinbayes.arrays import Floats

_WIDTH: Final = 640
_HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 34  # with letters of _TEXT
_TEXT: Final = 13
_PANEL: Final = 440  # width of a panel: two stand beside each other
_HEAD: Final = 28  # above a panel that has a title
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


@dataclass(frozen=True)
class Measured:
    """What was measured of a marker.

    Attributes
    ----------
    years
        (visit,) from now, at most 0.
    values
        (visit,) on the marker's own scale.
    kinds
        "none"; "left" or "right" of a value beyond a detection limit.
    """

    years: Floats
    values: Floats
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Ahead:
    """What is expected of a marker.

    Attributes
    ----------
    years, mean, lower, upper
        (time,) from now, and the curve with its band; as long as it is to be shown.
    thin_from
        Year from which the line is dashed; None of none.
    """

    years: Floats
    mean: Floats
    lower: Floats
    upper: Floats
    thin_from: float | None


@dataclass(frozen=True)
class Axes:
    """Where values stand.

    Attributes
    ----------
    years, values
        First and last of each axis.
    logged
        Whether values are drawn by their logarithms.
    label, title
        Of the axis of years, and of that of values.
    number
        How a value is written, with so many digits behind the decimal mark.
    """

    years: tuple[float, float]
    values: tuple[float, float]
    logged: bool
    label: str
    title: str
    number: Callable[[float, int], str]

    def x(self, year: float) -> float:
        """Place of a year."""
        first, last = self.years
        return _LEFT + (_PANEL - _LEFT - _RIGHT) * (year - first) / (last - first)

    def y(self, value: float) -> float:
        """Place of a value; of one beyond the axis, its end."""
        low, high = self._scaled(self.values[0]), self._scaled(self.values[1])
        share = (self._scaled(value) - low) / (high - low)
        return _HEAD + (_HEIGHT - _HEAD - _BOTTOM) * (1.0 - min(max(share, 0.0), 1.0))

    def value_marks(self) -> list[tuple[float, str]]:
        """Values that are written at the axis, and how."""
        low, high = self.values
        if self.logged:
            powers = range(int(np.ceil(np.log10(low))), int(np.floor(np.log10(high))) + 1)
            every = max(1, len(powers) // 5)
            return [(10.0**k, self.number(10.0**k, max(0, -k))) for k in powers[::every]]
        step, digits = _round_step((high - low) / 4.0)
        first = int(np.ceil(low / step - 1e-9))
        last = int(np.floor(high / step + 1e-9))
        return [(k * step, self.number(k * step, digits)) for k in range(first, last + 1)]

    def year_marks(self) -> list[tuple[float, str]]:
        """Years that are written at the axis, and how; 0 is among them."""
        first, last = self.years
        step, digits = _round_step((last - first) / 6.0)
        marks = range(int(np.ceil(first / step - 1e-9)), int(np.floor(last / step + 1e-9)) + 1)
        return [(k * step, self.number(k * step, digits)) for k in marks]

    def _scaled(self, value: float) -> float:
        return float(np.log(max(value, 1e-300))) if self.logged else value


def _round_step(about: float) -> tuple[float, int]:
    """The next of 1, 2, 5, 10, … and its digits behind the decimal mark."""
    power = int(np.floor(np.log10(about)))
    step = next(m for m in (1, 2, 5, 10) if m * 10.0**power >= about * (1.0 - 1e-9))
    return step * 10.0**power, max(0, -power)


def marker_panel(seen: Measured, ahead: Ahead, axes: Axes, alt: str) -> Markup:
    """Draw measured values as points, and the curve that is expected with its band.

    Parameters
    ----------
    alt
        What the picture shows, in a sentence.
    """
    parts = [_opened(_PANEL, _HEIGHT, alt, "chart")]
    parts.append(f'<text x="4" y="14">{escape(axes.title)}</text>')
    parts += [
        f'<line x1="{_LEFT}" x2="{_PANEL - _RIGHT}" y1="{axes.y(v):.1f}" y2="{axes.y(v):.1f}" '
        'stroke="#c9ced6" stroke-width="1"/>'
        f'<text x="{_LEFT - 6}" y="{axes.y(v) + 4:.1f}" text-anchor="end">{escape(told)}</text>'
        for v, told in axes.value_marks()
    ]
    parts += [
        f'<text x="{axes.x(year):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{escape(told)}'
        "</text>"
        for year, told in axes.year_marks()
    ]
    middle = _LEFT + (_PANEL - _LEFT - _RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{_HEIGHT - 2}" text-anchor="middle">{escape(axes.label)}</text>'
        f'<line x1="{axes.x(0):.1f}" x2="{axes.x(0):.1f}" y1="{_HEAD}" y2="{_HEIGHT - _BOTTOM}" '
        'stroke="#4a5563" stroke-width="1" stroke-dasharray="2 3"/>'
    )
    if len(ahead.years) > 1:
        parts += _curve_ahead(ahead, axes)
    parts += [
        _point(axes.x(year), axes.y(value), kind)
        for year, value, kind in zip(seen.years, seen.values, seen.kinds, strict=True)
    ]
    return Markup("".join(map(str, parts)) + "</svg>")  # noqa: S704 - texts are escaped above


def _curve_ahead(ahead: Ahead, axes: Axes) -> list[str]:
    def line(values: Floats) -> list[str]:
        return [
            f"{axes.x(t):.1f},{axes.y(v):.1f}" for t, v in zip(ahead.years, values, strict=True)
        ]

    mean = line(ahead.mean)
    n = len(mean) if ahead.thin_from is None else int((ahead.years < ahead.thin_from).sum())
    band = " ".join(line(ahead.upper) + line(ahead.lower)[::-1])
    drawn = [f'<polygon points="{band}" fill="#1f5c99" fill-opacity="0.18"/>']
    for some, dash in ((mean[:n], ""), (mean[max(0, n - 1) :], ' stroke-dasharray="7 4"')):
        if len(some) > 1:
            drawn.append(
                f'<polyline points="{" ".join(some)}" fill="none" stroke="#1f5c99" '
                f'stroke-width="2.5"{dash}/>'
            )
    return drawn


def _point(x: float, y: float, kind: str) -> str:
    """A disc; a triangle that points to where a value beyond a detection limit lies."""
    if kind in ("left", "right"):
        tip, base = (y + 5, y - 4) if kind == "left" else (y - 5, y + 4)
        corners = f"{x - 5:.1f},{base:.1f} {x + 5:.1f},{base:.1f} {x:.1f},{tip:.1f}"
        return f'<polygon points="{corners}" fill="#ffffff" stroke="#b35900" stroke-width="2"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#b35900"/>'


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
