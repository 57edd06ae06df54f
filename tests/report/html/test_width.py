"""Pages are never wider than the screen or the paper that they are shown on."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import twinbayes as tb
from twinbayes.report.html import fragments as f
from twinbayes.report.html.formulae import hazard_formula
from twinbayes.report.html.page import PageSection, compose_page
from twinbayes.report.quality_page import write_quality_page

BROWSER = shutil.which("chromium") or shutil.which("chrome")
_WIDER = """<script>addEventListener('load', () => {
  const width = document.documentElement.clientWidth, wide = [];
  for (const e of document.querySelectorAll('body *')) {
    let above = e, scrolls = false;
    while ((above = above.parentElement) && above !== document.body)
      scrolls ||= getComputedStyle(above).overflowX !== 'visible';
    if (!scrolls && e.getBoundingClientRect().right > width + 1) wide.push(e.tagName);
  }
  document.title = `found ${document.documentElement.scrollWidth - width} [${wide}]`;
})</script>"""


def pages(folder: Path) -> dict[str, str]:
    quality = write_quality_page(tb.datasets.registry().quality(), folder / "quality.html")
    said = {"now": "day 0 since origin, in induction since day 0 " * 3, "word_" * 40: "x" * 200}
    shown = f.block(f.pairs(said), f.preformatted("long " * 80),
                    hazard_formula(tb.disease("registry")))  # fmt: skip
    page = compose_page("a_title_" * 20, [PageSection.of(shown)], strip="USABLE")
    return {"quality": quality.read_text(encoding="utf-8"), "pieces": page}


@pytest.mark.skipif(BROWSER is None, reason="needs a browser")
@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", ["quality", "pieces"])
def test_nothing_is_cut_at_the_right_edge(name: str, paper: bool, tmp_path: Path) -> None:
    html = pages(tmp_path)[name]
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    html = html.replace("</body>", f"{_WIDER}</body>")
    if paper:
        html = html.replace("@media print", "@media all")
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu",
         f"--user-data-dir={tmp_path / 'browser'}", f"--window-size={718 if paper else 500},2000",
         "--virtual-time-budget=2000", "--dump-dom", f"file://{tmp_path / 'page.html'}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert re.search(r"<title>found 0 \[\]</title>", done.stdout), done.stdout[:1500]
