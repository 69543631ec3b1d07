"""How Sphinx makes these pages: `make docs`."""

project = "Plumbline"
html_title = "Plumbline"
extensions = ["myst_parser"]
exclude_patterns = ["_build", "images"]
html_theme = "furo"
# What is made must be the same wherever it is made.
html_last_updated_fmt = None
html_show_copyright = False
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nitpicky = True
