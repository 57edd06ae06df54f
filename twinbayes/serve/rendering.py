"""Templates and styles of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES: Final = Path(__file__).parent / "templates"

STYLES: Final = {path.name: path.read_text(encoding="utf-8") for path in _TEMPLATES.rglob("*.css")}
"""Style sheets by name."""

ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Every template escapes what it is given, and stops at a name that it is not given."""
