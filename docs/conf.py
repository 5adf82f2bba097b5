"""The site: `make docs` builds it into `site/`; a dead link or a page in no table of contents fails it."""

import re

from sphinx.application import Sphinx

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

#: A connector's README lies beside its code. In the repository a link goes there; in the site, to its settings.
_README = re.compile(r"\]\((?:\.\./)+src/roomkeeper/connectors/(\w+)/README\.md\)")


def _stay_inside(_: Sphinx, name: str, source: list[str]) -> None:
    up = "../" * name.count("/")
    source[0] = _README.sub(lambda found: f"]({up}reference/connections.md#{found[1]})", source[0])


def setup(app: Sphinx) -> None:
    """Rewrite links that lead out of the site."""
    app.connect("source-read", _stay_inside)
