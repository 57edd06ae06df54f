"""A figure with what a reader who cannot see it needs: alt text, and a caption for all."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from pandas import DataFrame

from twinbayes.private_files import write_private
from twinbayes.report.figures.csv_links import csv_link, csv_text
from twinbayes.report.figures.look import VERMILION, styled

_DPI: Final = 160


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a report.

    Attributes
    ----------
    figure
        The Matplotlib figure, to restyle or to combine.
    alt
        What it shows, for readers who do not see it.
    caption
        What a reader who sees it must know besides: interval, units, where data are from.
    marks
        Words stamped on the picture itself, because pictures travel without their report:
        ``NOT FOR USE``, ``SIMULATED DATA``.
    data
        The numbers behind it, as they may be published: a CSV beside the picture has them.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> picture = Picture(Figure(), alt="An empty picture", marks=("SIMULATED DATA",))
    >>> picture.save("empty.png").name
    'empty.png'
    """

    figure: Figure
    alt: str
    caption: str = ""
    marks: tuple[str, ...] = ()
    data: DataFrame | None = None

    def backed(self, data: DataFrame) -> Picture:
        """Return the picture with the numbers behind it; small counts must be hidden in them."""
        return replace(self, data=data)

    def marked(self, *marks: str) -> Picture:
        """Return the picture with these words stamped on it."""
        return replace(self, marks=tuple(m for m in marks if m))

    @styled
    def png(self) -> bytes:
        """Return the picture as PNG; the same figure gives the same bytes."""
        if self.figure.get_layout_engine() is not None:
            # Laid out once and kept: each further layout would move things by a hair.
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")
        stamps = []
        if self.marks:
            # Below the picture, in a strip of its own that the tight box takes in.
            stamps.append(
                self.figure.text(
                    0.995, -0.01, "  ·  ".join(self.marks), ha="right", va="top", fontsize=8,
                    color=VERMILION, fontweight="bold",
                )
            )  # fmt: skip
        if any(mark.startswith("NOT") for mark in self.marks):
            stamps.append(
                self.figure.text(
                    0.5, 0.5, "NOT FOR USE", ha="center", va="center", fontsize=40, rotation=20,
                    color=VERMILION, alpha=0.2, fontweight="bold", zorder=100,
                )
            )  # fmt: skip
        buffer = io.BytesIO()
        self.figure.savefig(
            buffer,
            format="png",
            dpi=_DPI,
            bbox_inches="tight",
            pad_inches=0.08,
            # No software version inside: bytes must not differ between machines for that alone.
            metadata={"Software": None},
        )
        for stamp in stamps:
            stamp.remove()
        return buffer.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the picture as a PNG file, for its owner alone."""
        return write_private(path, self.png())

    def _repr_html_(self) -> str:
        png = self.png()
        data = base64.b64encode(png).decode("ascii")
        width = int.from_bytes(png[16:20], "big") * 96 // _DPI  # from the header of the PNG
        said = escape(self.caption)
        if self.data is not None:
            rows = [list(self.data.columns), *self.data.itertuples(index=False, name=None)]
            said += f" {csv_link('figure.csv', csv_text(rows))}"
        caption = f"<figcaption>{said}</figcaption>" if said else ""
        return (
            f'<figure><img src="data:image/png;base64,{data}" width="{width}" '
            f'alt="{escape(self.alt, quote=True)}">{caption}</figure>'
        )
