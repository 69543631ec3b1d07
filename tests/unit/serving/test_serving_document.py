"""docs/serving.md says what the code does."""

import re
from pathlib import Path

import pyarrow as pa
from release_bundles import raw_table

from pipelines.commands.serve import serve
from plumbline.decision.decision import Decision
from plumbline.decision.sets import Conformal
from plumbline.network.predictor import BATCH_ROWS
from plumbline.scoring.postgres_types import postgres_type
from plumbline.serving.answers import predictions
from plumbline.serving.arrow_rows import TEXT_FACTOR
from plumbline.serving.digests import row_digests
from plumbline.serving.inference_log import layout
from plumbline.serving.metrics import Metrics
from plumbline.serving.openapi import REFUSALS
from plumbline.serving.scorer import FEW_ROWS, MANY_ROWS
from plumbline.serving.settings import MIB, Limits

CONFORMAL = Conformal(coverage=0.9, margins=(0.5,))
TEXT = (Path(__file__).parents[3] / "docs" / "serving.md").read_text("utf-8")


def table(head: str) -> list[list[str]]:
    """The cells below a table's head."""
    lines = TEXT.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_its_options_and_defaults_are_the_commands():
    declared = {
        # click has a mark of its own for no default; a flag's is False.
        one.opts[0]: str(one.default) if type(one.default) in (int, float, str) else ""
        for one in serve.params
        if one.opts[0].startswith("--")
    }
    assert {row[0]: row[1] for row in table("option | default |")} == declared


def test_the_commands_defaults_are_the_limits():
    given = {one.name: one.default for one in serve.params}
    limits = Limits()
    assert limits == Limits(
        body_bytes=given["max_body"] * MIB,
        rows=given["max_rows"],
        seconds=given["timeout"],
        requests=given["max_requests"],
        batch_rows=given["batch_rows"],
        batch_seconds=given["batch_wait"],
    )
    assert f"every {limits.log_seconds:g} seconds at most" in TEXT


def test_its_statuses_are_the_schemas():
    assert {int(code): told for code, told in table("status | when")} == REFUSALS


def test_its_log_is_the_tables():
    told = {row[0]: row[1] for row in table("column | type in PostgreSQL |")}
    assert told == {one.name: postgres_type(one) for one in layout(pa.schema([]))}


def test_its_answers_are_those_of_each_task():
    told = [tuple(row) for row in table("task | column | JSON | PostgreSQL |")]
    decisions = [
        Decision(task="binary", threshold=0.5, conformal=CONFORMAL),
        Decision(task="multiclass", classes=("a", "b"), conformal=CONFORMAL),
        Decision(task="multilabel", classes=("a",), conformal=CONFORMAL),
        Decision(task="regression", conformal=CONFORMAL),
    ]
    found = []
    for decision in decisions:
        schema = predictions(decision)["properties"]
        for field in decision.schema:
            column, kind = schema[field.name], postgres_type(field)
            words = column["description"].removesuffix("; in the order of the request's rows.")
            found.append((decision.task, field.name, column["items"]["type"], kind, words))
    assert told == found


def test_its_numbers_are_the_codes():
    assert f"({FEW_ROWS}, {BATCH_ROWS:,} or {MANY_ROWS:,})" in TEXT
    assert f"more than {TEXT_FACTOR} times" in TEXT


def test_its_metrics_are_told():
    told = Metrics({}, lambda: 0).text().decode()
    named = set(re.findall(r"`(plumbline_\w+)`", TEXT))
    assert named == set(re.findall(r"(?m)^# HELP (plumbline_(?!.*_created)\w+)", told))


def test_its_code_computes_the_digests():
    (block,) = [
        one for one in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "sha256" in one
    ]
    names: dict = {}
    exec(block, names)
    rows = raw_table().combine_chunks().to_batches()[0].slice(0, 50)
    texts = [values.cast(pa.string()).to_pylist() for values in rows.columns]
    assert [names["digest"](row) for row in zip(*texts, strict=True)] == row_digests(rows)
