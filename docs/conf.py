"""How the documentation is built: `make docs`, warnings as errors, to out/docs."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "bayes_cmoe"
highlight_language = "none"
author = "The bayes_cmoe developers"
version = release = version_of("bayes-cmoe")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "cyclopts.ext.sphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "extensions.docstrings",
    "extensions.gallery",
    "extensions.mathml",
    "extensions.rooms",
    "extensions.variants",
]
exclude_patterns = ["gallery/notebooks/.*"]
default_role = "py:obj"
# Only links that are to lead somewhere are written as links.
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Notebooks come executed (make notebooks); the quick start is run when it, or its kernel, changed.
nb_execution_mode = "off"
nb_execution_cache_path = str(HERE.parent / "out" / "docs-cache")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "bayes_cmoe"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_sidebars = {"**": ["all-pages"]}
html_css_files = ["pages.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_center": [],
    "primary_sidebar_end": [],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
}
html_context = {"default_mode": "light"}
copyright = "the bayes_cmoe developers, Apache-2.0"
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
