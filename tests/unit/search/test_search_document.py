"""docs/search.md tells the spaces that are searched."""

from pathlib import Path

from plumbline.search.space import OWN, SPACES
from plumbline.search.study import FULL_EPOCHS, FULL_SHARE, FULL_TRIALS, RANDOM_TRIALS
from plumbline.spec import Range

DOCUMENT = Path(__file__).parents[3] / "docs" / "search.md"


def table() -> list[str]:
    named = {**SPACES, "your own": OWN}
    return [
        f"| {architecture} | {name} | {told(values)} |"
        for architecture, space in named.items()
        for name, values in space.items()
    ]


def told(values: Range | list) -> str:
    if isinstance(values, Range):
        return f"{values.low:g} to {values.high:g}, {values.scale}"
    return ", ".join(map(str, values))


def test_the_table_of_spaces_is_the_one_that_is_searched():
    lines = DOCUMENT.read_text("utf-8").splitlines()
    start = lines.index("| architecture | option | values |") + 2
    found = lines[start : start + len(table()) + 1]
    assert found == [*table(), ""]


def test_the_numbers_of_pruning_are_those_of_the_code():
    text = DOCUMENT.read_text("utf-8")
    assert (FULL_TRIALS, FULL_EPOCHS, FULL_SHARE, RANDOM_TRIALS) == (4, 3, 0.1, 10)
    assert "after four trials that ended" in text
    assert "never before its third epoch, nor before a tenth of the epochs" in text
    assert "The next nine are drawn at random" in text
