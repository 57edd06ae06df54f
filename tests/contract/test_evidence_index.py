"""The index of the evidence names every file, its script, and the test that holds it."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_file_of_evidence_is_in_the_index_with_its_script_and_test(root: Path) -> None:
    folder = root / "docs" / "evidence"
    text = (folder / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if ".json)" in line]
    listed = {match for row in rows for match in re.findall(r"\((\w+\.json)\)", row)}
    assert listed == {path.name for path in folder.glob("*.json")} - {"tests.json"}
    for row in rows:
        script, test = re.findall(r"`((?:benchmarks|tests)/[\w/]+\.py)`", row)
        name = re.findall(r"\((\w+\.json)\)", row)[0]
        assert name in (root / script).read_text(encoding="utf-8")
        assert name.removesuffix(".json") in (root / test).read_text(encoding="utf-8")
