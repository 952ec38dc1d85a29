"""Sphinx's settings. `make docs` builds the site; what pages.py writes is made from the code."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import pages

import resnet_jax

project = "resnet_jax"
author = copyright = "The resnet_jax authors"
version = release = resnet_jax.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_heading_anchors = 3

# Docstrings say `name` for code, as Markdown does.
default_role = "code"
# A type that two modules define is written without a link.
suppress_warnings = ["ref.python"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"resnet_jax {version}"
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Writes the generated pages before Sphinx looks for its sources."""
    pages.write(Path(app.srcdir) / "generated")
    app.connect("autodoc-skip-member", pages.is_left_out)
    app.connect("autodoc-process-signature", pages.shortened)
    app.connect("autodoc-process-docstring", pages.escaped, priority=100)
    app.connect("autodoc-process-docstring", pages.field_types, priority=900)  # behind Napoleon
