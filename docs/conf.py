"""How the documentation is built: `make docs`, without network.

Formulas become MathML by docutils: browsers draw it without a script.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from pygments.lexers.special import TextLexer

import twinbayes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

for name in ("pytensor.configparser", "traitlets"):  # what they tell is no fault of a page
    logging.getLogger(name).setLevel(logging.WARNING)

project = "twinbayes"
author = "The twinbayes authors"
project_copyright = "the twinbayes authors, Apache-2.0"
version = release = twinbayes.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
templates_path = [str(Path(__file__).parent / "_templates")]
exclude_patterns = ["_templates"]
highlight_language = "none"
math_renderer = "mathml"

# --- what is read from the package ----------------------------------------------------------
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_ivar = False
napoleon_use_rtype = False
# Single backticks name what is code: an attribute, a table, a column.
default_role = "code"

# --- Markdown and notebooks -----------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "cache"  # in the folder that scripts/docs.py names
nb_execution_timeout = 1200
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress, and what notebook extensions miss
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # the default asks a remote host
bibtex_bibfiles = ["bibliography.bib"]
bibtex_default_style = "alpha"

# --- the pages ------------------------------------------------------------------------------
html_theme = "furo"
html_title = f"twinbayes {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def _inline(self: Any, node: Any) -> None:
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(self: Any, node: Any) -> None:
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Add MathML, and the name that pages give to tables of text."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    for name in ("csv", "ndjson", "text-table"):
        app.add_lexer(name, TextLexer)
