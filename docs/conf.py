# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the documentation site, which `make docs` builds without a network."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = html_title = "san.device_mapper"
author = copyright = "the san.device_mapper contributors"
extensions = ["sphinx_antsibull_ext"]
html_theme = "furo"
# The plain text of each page would be on the site a second time.
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
# The tables of options have their colours from site.css.
antsibull_ext_color_scheme = "none"
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
# They would make another command of one with two hyphens.
smartquotes = False
nitpicky = True
# Before the first release the changelog is empty.
suppress_warnings = ["toc.no_title"]

ANSIBLE = "https://docs.ansible.com/projects/ansible-core/devel/reference_appendices/"
LABELS = {
    "ansible_configuration_settings": "config.html#ansible-configuration-settings",
    "common_return_values": "common_return_values.html",
}
"""The labels of Ansible's own documentation that the pages of plugins refer to."""


class Contents(Directive):
    """The list of a page's sections, which the theme has at its side already."""

    has_content = True
    option_spec = None

    def run(self) -> list[nodes.Node]:
        """Return nothing to be shown."""
        return []


def setup(app: Sphinx) -> None:
    """Let references to Ansible's documentation lead there, and each page have one contents."""
    app.connect("missing-reference", reference)
    app.add_directive("contents", Contents, override=True)


def reference(
    _app: Sphinx, _environment: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.reference | None:
    """Return a link for a label of Ansible's; None for any other, which is a warning then."""
    page = LABELS.get(node["reftarget"])
    return page and nodes.reference("", "", text, internal=False, refuri=ANSIBLE + page)
