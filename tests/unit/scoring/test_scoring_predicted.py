"""What the predictions of a snapshot are shown as, and what the command says."""

import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from release_bundles import ROWS, TASKS, Built, raw_table

from pipelines.cli import main
from plumbline.release.archive import pack
from plumbline.release.bundle import load_bundle
from plumbline.scoring import figure
from plumbline.scoring.progress import Pace
from plumbline.scoring.snapshots import PREDICTIONS, score_snapshot

pytest_plugins = ["release_fixtures"]


@pytest.mark.parametrize("task", list(TASKS))
def test_the_answers_of_every_task_have_a_picture(released: dict[Any, Built], task, tmp_path: Path):
    built = released[task, "xgboost"]
    bundle = load_bundle(built.folder)
    score_snapshot(bundle, built.prepared.snapshot, tmp_path)
    drawn = figure.of_predictions(tmp_path / PREDICTIONS, bundle.decision)
    image = Image.open(io.BytesIO(drawn))
    assert image.width == 704
    assert 100 < image.height < 500
    predicted = pq.read_table(tmp_path / PREDICTIONS)["predicted"].to_pylist()
    if task in ("multiclass", "multilabel"):
        counts = figure._counted(tmp_path / PREDICTIONS, bundle.decision)
        names = predicted if task == "multiclass" else np.concatenate(predicted)
        assert counts == {name: list(names).count(name) for name in bundle.decision.classes}
        others = figure._classes(counts + Counter(map(str, range(30))), ROWS)
        assert Image.open(io.BytesIO(others)).height > image.height


def predict(*arguments: Any) -> str:
    ran = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    return f"{ran.exit_code}: {ran.output}"


def test_the_command_tells_what_became_of_the_rows(forest: Built, tmp_path: Path, monkeypatch):
    for name in ("PLUMBLINE_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    amount = raw_table()["amount"].to_pylist()
    amount[5] = float("inf")
    table = raw_table().set_column(2, "amount", pa.array(amount))
    pq.write_table(table, tmp_path / "rows.parquet")
    rows, target = tmp_path / "rows.parquet", tmp_path / "scored.csv"
    pack(forest.folder, tmp_path / "bundle.tar")
    for bundle in (forest.folder, tmp_path / "bundle.tar"):
        told = predict(bundle, rows, target, "--key", "id")
        assert told.startswith("0: ")
        assert f"600 rows read: 599 scored into {target}, 1 rejected into {tmp_path}" in told
    told = predict(forest.folder, rows, target, "--strict")
    assert told.startswith("1: ")
    assert f"{rows}, row 6, column 'amount': an infinite number" in told
    assert "no column 'key'" in predict(forest.folder, rows, target, "--key", "key")
    for option, found in (
        (["--again"], "--again is for tables"),
        (["--param", "a=b"], "--param is for SQL"),
    ):
        told = predict(forest.folder, rows, target, *option)
        assert told.startswith("2: ")
        assert found in told
    assert "has the suffix '.txt'" in predict(forest.folder, rows, tmp_path / "scored.txt")


def test_the_pace_tells_what_is_left():
    pace = Pace("scored.parquet", 100, 1_000)
    pace.at(400)
    assert pace.line(2.0) == "400 of about 1,000 rows, 150 rows/s, 0:00:04 left"
    pace.at(1_200)
    assert re.fullmatch(r"1,200 rows, 550 rows/s", pace.line(2.0))
    unknown = Pace("scored.parquet", 0, None)
    unknown.at(7_300_000)
    assert unknown.line(1.0) == "7,300,000 rows, 7,300,000 rows/s"
