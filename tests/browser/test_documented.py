"""docs/in-the-ui.md shows the pictures that `make screenshots` takes."""

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
TEXT = (DOCS / "in-the-ui.md").read_text("utf-8")
LIMIT = 200_000


def test_its_pictures_are_those_that_are_taken():
    taken = re.findall(r'_save\(ui, "([\w-]+)"', (HERE / "screenshots.py").read_text("utf-8"))
    shown = re.findall(r"!\[[^]]+\]\(images/ui-([\w-]+)\.png\)", TEXT)
    assert sorted(shown) == sorted(taken)
    for name in taken:
        assert (DOCS / "images" / f"ui-{name}.png").stat().st_size < LIMIT
