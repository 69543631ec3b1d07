"""The page on the drill lists every exercise, and nothing else."""

import re
from pathlib import Path

from plumbline.drill.audited import AUDITED
from plumbline.drill.exercises import EXERCISES

PAGE = Path(__file__).parents[3] / "docs" / "drill.md"


def test_the_page_lists_every_exercise() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    listed = [row for row in rows if row[0] not in ("guard", "---")]
    assert listed == [(one.guard, one.injection) for one in (*AUDITED, *EXERCISES)]
