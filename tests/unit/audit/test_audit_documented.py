"""The page on the audit lists every check with its numbers, and no other check."""

import re
from pathlib import Path

import pytest

from plumbline.audit import distributions, sample, tallies
from plumbline.audit.codes import BINS
from plumbline.audit.findings import CHECKS
from plumbline.audit.rules import duplicates, informative, labels, shift, target_leakage, values

PAGE = (Path(__file__).parents[3] / "docs" / "audit.md").read_text("utf-8")


def test_the_page_lists_every_check():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == list(CHECKS)


@pytest.mark.parametrize(
    "number",
    [
        f"more than {values.MOSTLY:.0%}",
        f"{values.RISE * 100:.0f} percentage point more",
        f"beyond ±{values.SCALE:g}",
        f"more than {informative.NEARLY:.1%}",
        f"in {informative.UNIQUE:.0%} of its rows",
        f"{distributions.EDGE:.0%} of the rows",
        f"fewer than {labels.FEW} training rows, or than {labels.RARE:.1%} of them",
        f"less than {labels.MINORITY:.0%} of the training rows",
        f"AUC or R² of {target_leakage.CERTAIN:g} or more",
        f"{target_leakage.DOMINANT:g} or more, and {target_leakage.AHEAD:g} above the second best",
        f"order of {target_leakage.ORDERED:g} or more",
        f"{target_leakage.DEVIATIONS:.0f} standard deviations",
        f"place of {target_leakage.DRIFT:g} or more",
        f"an effect of {shift.EFFECT:g}",
        f"it lies {shift.MARGIN:g} further",
        f"cut into {sample.BLOCKS} parts",
        f"at most {BINS} codes",
        f"up to {tallies.DISTINCT:,} per column",
        f"up to {sample.ROWS:,} rows",
    ],
)
def test_the_page_gives_the_numbers_of_the_code(number):
    assert number.replace("%", " %") in PAGE
    assert duplicates.RULE == 0.5
