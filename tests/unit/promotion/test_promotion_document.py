"""docs/promotion.md says what the code does."""

import re
from pathlib import Path
from typing import get_args

import numpy as np
import yaml
from click.testing import CliRunner

from assets.promotion import CHECKS
from pipelines.commands.promote import promote, promotions, rollback
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Reading
from plumbline.promotion.acts import NOT_COMPARABLE, OUTRUN
from plumbline.promotion.events import Action, Event
from plumbline.promotion.rule import judge
from plumbline.spec import EvaluationSpec, PipelineSpec, PromotionSpec, ReleaseSpec, VerdictSpec
from plumbline.spec.metrics import METRICS
from plumbline.split.keys import DIGEST_BYTES

PAGE = Path(__file__).parents[3] / "docs" / "promotion.md"
TEXT = PAGE.read_text("utf-8")
BLOCK = re.compile(r"(<!-- equal:begin -->\n).*?(<!-- equal:end -->)", re.DOTALL)


def cells(head: str) -> list[list[str]]:
    lines = TEXT.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_the_options_shown_are_all_there_are():
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    shown = yaml.safe_load(block)
    declared = {name: one.default for name, one in PromotionSpec.model_fields.items()}
    assert shown["promotion"] == {**declared, "margin": METRICS["auc"].gain}
    assert shown["release"] == {"promote": ReleaseSpec().promote}


def test_its_tables_are_the_codes():
    ways = get_args(PromotionSpec.model_fields["promote_when"].annotation)
    assert [row[0] for row in cells("`promote_when` | the whole interval has to lie")] == [*ways]
    assert [row[0] for row in cells("check | warns where")] == list(CHECKS)
    rows = cells("`action` | what it says | `author`")
    assert {row[0] for row in rows} == set(get_args(Action))
    named = {"compared_with", "promoted_by", "evidence", "expires_at"}
    assert named <= {name for name in Event.__annotations__ if f"`{name}`" in TEXT}
    assert f"`{NOT_COMPARABLE}`, or `{OUTRUN}`" in TEXT


def test_its_numbers_are_the_codes():
    wider = Reading(number=2, allowed=VerdictSpec().max_test_reads)
    assert f"one of {100 * wider.confidence(EvaluationSpec().confidence):g} %" in TEXT
    assert f"a digest of {8 * DIGEST_BYTES} bits" in TEXT


def test_its_commands_are_understood():
    (block,) = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    commands = {one.name: one for one in (promote, promotions, rollback)}
    for line in block.strip().splitlines():
        _, name, *words = [word.strip("'") for word in line.split()]
        context = commands[name or ""].make_context(name, words)
        assert context.params["name"] == "NAME"


def test_an_override_has_an_end():
    for words in (["--override"], ["--expires", "2027-01-31"]):
        told = CliRunner().invoke(promote, ["p", "v", "--reason", "r", "--author", "a", *words])
        assert told.exit_code == 2
        assert "--override and --expires go together" in told.output


def _equal(rows: int, positives: int) -> float:
    """How often one of two equal bundles wins."""
    spec = PipelineSpec.model_validate(
        {
            "name": "p",
            "source": {"sql": "a.sql", "key": ["id"], "label": "label"},
            "promotion": {"margin": 0.0},
        }
    )
    labels = (np.arange(rows) < positives).astype(np.int8)
    wins = 0
    for seed in range(500):
        draw = np.random.default_rng(seed)
        shared = draw.normal(size=rows)
        scores = {
            name: 1.2 * labels + shared + 0.4 * draw.normal(size=rows)
            for name in ("challenger", "champion")
        }
        options = EvaluationSpec()
        side = Side(task="binary", labels=labels, scores=scores, options=options, only=("auc",))
        wins += judge(side, {"champion": {}}, spec, Reading()).wins
    return wins / 500


def test_equal_bundles_win_as_seldom_as_it_says(pytestconfig):
    lines = "".join(
        f"| {rows:,} | {positives} | {_equal(rows, positives):.1%} |\n".replace("%", " %")
        for rows, positives in SAMPLES
    )
    table = f"| rows | positive | the new one wins |\n|---|---|---|\n{lines}"
    if pytestconfig.getoption("--update-golden"):
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + table + found[2], TEXT), "utf-8")
    (block,) = BLOCK.finditer(PAGE.read_text("utf-8"))
    assert block[0] == f"<!-- equal:begin -->\n{table}<!-- equal:end -->"


FEWEST = PromotionSpec()
SAMPLES = ((1000, 5), (FEWEST.min_rows, FEWEST.min_positives), (1000, FEWEST.min_positives))
