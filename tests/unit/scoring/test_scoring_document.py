"""docs/scoring.md says what the code does."""

import re
from pathlib import Path
from typing import Any

from release_bundles import TASKS, Built

from pipelines.commands.predict import predict
from plumbline.decision.decision import Decision
from plumbline.release.bundle import load_bundle
from plumbline.scoring import batch, rejects, table_target
from plumbline.scoring.answers import VERSIONS
from plumbline.scoring.query_source import SUFFIX
from plumbline.scoring.table_files import FORMATS

pytest_plugins = ["release_fixtures"]

TEXT = (Path(__file__).parents[3] / "docs" / "scoring.md").read_text("utf-8")

CLASSES: dict[str, dict[str, Any]] = {
    "binary": {"threshold": 0.5},
    "multiclass": {"classes": ("a", "b")},
    "multilabel": {"classes": ("a", "b")},
    "regression": {},
}


def table(head: str) -> dict[str, str]:
    """The second cell by the first, below a table's head."""
    lines = TEXT.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {first: second for first, second, *_ in rows}


def test_its_options_are_the_commands():
    declared: Any = predict.params
    told = {f"`{one.opts[0]}`": one.help for one in declared if one.opts[0].startswith("--")}
    assert table("option |") == told


def test_its_columns_are_those_of_each_task():
    told = table("task | columns")
    for task in TASKS:
        schema = Decision(task=task, **CLASSES[task]).schema
        named = ", ".join(f"`{one.name}` {kind(one.type)}" for one in schema)
        assert told[task] == named
    assert told["all"] == ", ".join(f"`{name}` string" for name in VERSIONS)


def kind(arrow: Any) -> str:
    """As people write it: lists without the name of their items, and without their width."""
    return re.sub(r"item: |\[\d+\]", "", str(arrow))


def test_its_rejects_are_those_of_the_file(released: dict[Any, Built]):
    bundle = load_bundle(released["binary", "xgboost"].folder)
    named = ", ".join(table("column |")).replace("`", "")
    assert named.split(", ") == rejects.batch([], bundle).schema.names


def test_its_places_and_numbers_are_the_codes():
    for suffix in (*FORMATS, SUFFIX):
        assert f"`*{suffix}`" in ", ".join(table("INPUT |"))
    for suffix in (table_target.REJECTS, table_target.UNFINISHED, table_target.SCORINGS):
        assert f"`schema.scores{suffix}`" in TEXT
    size = f"{batch.PART_ROWS:,} rows or {batch.PART_BYTES // 2**20} MiB"
    assert f"parts of {size}" in TEXT
