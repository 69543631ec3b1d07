"""The page on the diagnosis lists every check with its limits, and no other check."""

import re
from pathlib import Path

import pytest

from plumbline.network import smoke
from plumbline.network.diagnosis import causes, floor, gathering, watch
from plumbline.network.diagnosis.findings import CHECKS
from plumbline.network.diagnosis.rules import course, machine, quality

PAGE = (Path(__file__).parents[3] / "docs" / "diagnosis.md").read_text("utf-8")


def test_the_page_lists_every_check():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows[: len(CHECKS)] == list(CHECKS)


@pytest.mark.parametrize(
    "number",
    [
        f"{smoke.ROWS:,} random rows",
        f"| {smoke.TOLERANCE} | the training is refused; WARN",
        f"| {course.FLAT:.1%} of it |",
        f"{course.DIVERGED} times its smallest value",
        f"rises of {course.SWING:.0%} of a constant answer's loss per epoch",
        f"| {causes.BARELY:.0%} of their norm |",
        f"{course.STEEP:.0%} of the fall in the last {course.LATE:.0%} of the epochs",
        f"| {quality.ERRORS} standard errors |",
        f"{quality.MARGIN} of skill, and {quality.ERRORS} standard errors",
        f"beyond {quality.ERRORS} standard errors, and of the skill above chance less than "
        f"{quality.KEPT} times",
        f"gains below {quality.GAINED:.0%} are not judged",
        f"{quality.RISE:.0%} of a constant answer's loss",
        f"a deviation of {quality.SPREAD:.0%} of the labels'",
        f"up to {quality.EVEN:.0%} of the training rows",
        f"less than {quality.RARE:.0%} of the training rows",
        f"every one of {gathering.PROBED} training rows",
        f"more than {machine.WAITED:.0%} of the epochs' time",
        f"up to {watch.SAMPLE:,} training rows, the same",
        f"judged from {course.EPOCHS} epochs on",
        f"the first {floor.CODES} codes",
        f"up to {floor.ROWS:,} training rows",
        f"above {causes.SCALE:g}.",
        f"reached {1 + causes.FALLEN:g} times a constant answer's",
    ],
)
def test_the_page_gives_the_numbers_of_the_code(number: str):
    assert number.replace("%", " %") in PAGE


def test_halves_are_written_in_words():
    limits = {course.RISES, course.ANNEALED, quality.HELD, causes.DEAD}
    limits.add(machine.SECONDS / 2)  # at least a second
    assert limits == {0.5}
