"""The site: `make docs` builds it into `site/`; a dead link or a page in no table of contents fails it."""

project = "Roomkeeper"
copyright = "the Roomkeeper authors"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["pages"]
html_theme = "furo"
html_title = "Roomkeeper"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
highlight_language = "none"
pygments_style = "friendly"
# What lies outside of `docs` is shown by the repository, and not a page of the site.
myst_url_schemes = ["http", "https", "mailto"]
