"""Images: what they copy is there, and what they start is a command that the package has."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twinbayes.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
IMAGES = sorted((ROOT / "containers").glob("*.Dockerfile"))


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_what_an_image_copies_is_there(image: Path) -> None:
    text = image.read_text(encoding="utf-8")
    copied = [shlex.split(line)[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    assert copied
    for name in (one for some in copied for one in some):
        assert (ROOT / name).exists(), name
    for program in re.findall(r'^RUN (\["python".*\])$', text, re.MULTILINE):
        compile(json.loads(program)[2], image.name, "exec")


def test_the_ward_explorer_is_started_with_options_that_it_has() -> None:
    text = (ROOT / "containers/ward-explorer.Dockerfile").read_text(encoding="utf-8")
    entry, default = (
        json.loads(found)
        for found in re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", text, re.MULTILINE)
    )
    help_text = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "300"}).output
    asked = [word for word in (*entry, *default) if word.startswith("--")]
    assert len(asked) > 4
    assert not [word for word in asked if word not in help_text]
    assert "USER explorer" in text
