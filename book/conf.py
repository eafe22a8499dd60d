"""Sphinx's settings for the book; `python -m book` uses them."""

import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from book import formulas, listings, typeface
from book.settings import BRANCH, ROOT, citation, repository

project = html_title = citation()["title"]
author = ", ".join(one["name"] for one in citation()["authors"])
version = release = citation()["version"]
copyright = f"{author}, MIT licence"
language = "en"

extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_ipywidgets_js: dict[
    str, dict[str, str]
] = {}  # widgets need a kernel: the sources show their pictures instead
nb_merge_streams = True
nb_render_markdown_format = "myst"  # formulas and links of printed texts as those of the cells
# small pictures in tables have a width, so they are written as HTML
myst_enable_extensions = ["dollarmath", "colon_fence", "html_image"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
myst_url_schemes = {"http": None, "https": None, "mailto": None, "repo": None}
# notebooks go from # to ### where a figure has one part only
suppress_warnings = ["myst.header"]
nitpicky = True

html_theme = "sphinx_book_theme"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = True
html_sourcelink_suffix = ""
html_show_sphinx = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "collapse_navbar": True,
    "collapse_navigation": True,
    "home_page_in_toc": True,
    "use_download_button": True,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "extra_footer": "",
}
if repository():
    html_theme_options |= {
        "repository_url": repository(),
        "repository_branch": BRANCH,
        "use_repository_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "notebook_interface": "jupyterlab",
        },
    }


def originals(app: Sphinx, error: Exception | None) -> None:
    """What is downloaded is the notebook of the repository, not the copy that is drawn."""
    for copy in Path(app.outdir, "_sources").glob("notebooks/**/*.ipynb"):
        original = ROOT / copy.relative_to(Path(app.outdir, "_sources"))
        shutil.copyfile(original, copy)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(formulas.visit_inline, None),
        block_renderers=(formulas.visit_block, None),
    )
    app.add_post_transform(listings.LinkCode)
    app.connect("html-collect-pages", listings.listings)
    app.connect("build-finished", typeface.write)
    app.connect("build-finished", originals)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
