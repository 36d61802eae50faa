"""Configuration of the documentation site; `make docs` builds it without a network, and a broken link is an error."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

project = "Rankscape"
author = "The Rankscape authors"
copyright = "The Rankscape authors, Apache-2.0"
version = release = installed("rankscape")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Links must lead somewhere; the colons in descriptions of attributes are no markup. Shapes in descriptions of results,
# such as (n, features), are read as types, and several classes have an attribute of that name.
suppress_warnings = ["docutils", "ref.python"]

autosummary_generate = ["reference/package.rst"]
autosummary_imported_members = False
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_mock_imports = ["pycuda"]
napoleon_google_docstring = True

html_theme = "furo"
html_title = "Rankscape"
html_static_path: list[str] = []
html_copy_source = False
