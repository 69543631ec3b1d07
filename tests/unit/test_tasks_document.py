"""docs/tasks.md says what the table of tasks says, and explains every metric."""

import re
from pathlib import Path
from typing import Any, get_args

from plumbline.spec import Task
from plumbline.spec.metrics import AREAS_UP_TO, GREATER_IS_BETTER, TOP_FROM
from plumbline.spec.tasks import SUITED

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
BLOCK = re.compile(r"(<!-- table:begin -->\n).*?(<!-- table:end -->)", re.DOTALL)
HEAD = """\
| task | labels | loss | last activation | `from_logits` | metrics of the validation rows |
|---|---|---|---|---|---|
"""


def table() -> str:
    def code(names: Any) -> str:
        return ", ".join(f"`{name}`" for name in names)

    return HEAD + "".join(
        f"| {task} | {form} | {code(one.losses)} | {code([one.activation])} "
        f"| {'yes' if one.from_logits else 'no'} | {code(one.metrics)} |\n"
        for (task, form), one in SUITED.items()
    )


def test_the_table_is_the_codes_own(pytestconfig):
    text = PAGE.read_text("utf-8")
    if pytestconfig.getoption("--update-golden"):
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + table() + found[2], text), "utf-8")
    (block,) = BLOCK.finditer(PAGE.read_text("utf-8"))
    assert block[0] == f"<!-- table:begin -->\n{table()}<!-- table:end -->"


def test_every_task_has_a_row():
    assert {task for task, _ in SUITED} == set(get_args(Task))


def test_every_metric_is_explained():
    text = PAGE.read_text("utf-8")
    section = text[text.index("## Metrics") : text.index("## Weights")]
    rows = "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == {
        "loss",
        *(name for one in SUITED.values() for name in one.metrics),
    }
    assert f"from {TOP_FROM} classes on" in section
    assert f"for up to {AREAS_UP_TO} classes" in section


def test_what_gets_better_downward_is_named():
    text = PAGE.read_text("utf-8")
    every = {"loss", *(name for one in SUITED.values() for name in one.metrics)}
    (sentence,) = re.findall(r"^.*get better downward", text, re.MULTILINE)
    named = re.findall(r"`(\w+)`", sentence.rpartition(". ")[2])
    assert set(named) == every - GREATER_IS_BETTER
