"""Two dataset versions through the real graph: what differs, and what became of single rows."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from small_pipeline import make_source, run, small_spec

from pipelines.commands.diff import diff
from pipelines.commands.trace import trace
from plumbline.history.diff import DIFFERENCE
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.split.keys import canonical, digests
from plumbline.split.seen import SEEN_KEYS
from plumbline.split.split import ASSIGNMENT
from plumbline.store.sealed import seal

PAGE = Path(__file__).parents[2] / "docs" / "history.md"
# Trees only: which model wins is not the question here.
SPEC = small_spec(
    baselines={"sufficient_score": 0.501}, promotion={"promote_when": "not_worse", "margin": 1.0}
)
CHANGES = """
UPDATE public.visits SET amount = amount + 1 WHERE visit_id % 100 = 7;
DELETE FROM public.visits WHERE visit_id IN (11, 12);
"""


@pytest.fixture(scope="module")
def project(module_postgres: Postgres, tmp_path_factory) -> Iterator[Path]:
    """Versions v1, and v2 with later rows, and with rows changed and deleted at the source."""
    root = tmp_path_factory.mktemp("project")
    make_source(module_postgres, root)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("DATABASE_URL", module_postgres.url)
        patch.setenv("PLUMBLINE_STORE", str(root / "store"))
        assert run(SPEC, root, instance, "v1", {"as_of": "2024-08-01"}).success
        with module_postgres.connect() as connection:
            connection.execute(CHANGES)
        second = run(SPEC, root, instance, "v2")
        assert second.success
        _keep(second, root)
        yield root


def _keep(result: dg.ExecuteInProcessResult, root: Path) -> None:
    """What the asset `version_diff` recorded, where tests find it."""
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key.path[-1] == "version_diff"
    ]
    told = {name: value.value for name, value in event.materialization.metadata.items()}
    (check,) = [
        one for one in result.get_asset_check_evaluations() if one.check_name == "split_moves"
    ]
    told |= {"check": check.description, "passed": check.passed, "blocking": check.blocking}
    (root / "version_diff.json").write_text(json.dumps(told, default=str))


@pytest.fixture
def store(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the store, to do damage to."""
    copy = tmp_path / "store"
    shutil.copytree(project / "store", copy)
    monkeypatch.setenv("PLUMBLINE_STORE", str(copy))
    return copy / "visits"


def _invoke(command, *words: str, spec: PipelineSpec = SPEC) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.loading.pipeline", lambda name: spec)
        return CliRunner().invoke(command, ["visits", *words])


def _json(command, *words: str) -> dict:
    result = _invoke(command, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _sides(project: Path) -> dict[str, dict[int, str]]:
    """The side of every key by dataset version, read from the assignments."""
    sides = {}
    for folder in (project / "store" / "visits" / "split").iterdir():
        certificate = json.loads((folder / "certificate.json").read_text())
        table = pq.read_table(folder / ASSIGNMENT)
        version = certificate["dataset"]["dataset_version"]
        sides[version] = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return sides


def test_the_diff_finds_what_was_done_to_the_source(project):
    facts = _json(diff, "v1", "v2")
    rows = {version: facts[version]["rows"] for version in ("before", "after")}
    changed = len([number for number in range(rows["before"] + 1) if number % 100 == 7])
    assert facts["rows"] == {
        "added": 2000 - rows["before"],
        "removed": 2,
        "changed": changed,
        "unchanged": rows["before"] - 2 - changed,
    }
    by_column = {one["column"]: one["rows_changed"] for one in facts["changes"]}
    assert {name for name, count in by_column.items() if count} == {"amount"}
    assert [one["key"]["visit_id"] for one in facts["examples"]["removed"]] == [11, 12]
    assert facts["split"]["compared"]
    assert facts["split"]["moved"] == 0
    assert facts["split"]["problem"] == ""


def test_the_asset_records_the_same_and_no_row(project):
    told = json.loads((project / "version_diff.json").read_text())
    facts = _json(diff, "v1", "v2")
    assert {name: told[f"rows_{name}"] for name in facts["rows"]} == facts["rows"]
    assert (told["previous_version"], told["passed"], told["blocking"]) == ("v1", True, False)
    assert "0 rows moved between sides" in told["check"]
    assert "train | train" in told["split_moves"]
    (stored,) = [
        json.loads((folder / DIFFERENCE).read_text())["difference"]
        for folder in (project / "store" / "visits" / "version_diff").iterdir()
        if json.loads((folder / DIFFERENCE).read_text())["difference"]
    ]
    assert stored["examples"] == facts["examples"]
    # Dagster's event log is kept for ever: no key and no value of a row is in it.
    assert "visit_id" not in json.dumps(told)


def test_a_version_before_that_was_pruned_withholds_the_asset(store, project):
    for path in store.glob("snapshot/*/snapshot.json"):
        if json.loads(path.read_text())["dataset_version"] == "v1":
            shutil.rmtree(path.parent)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(SPEC, project, instance, "v2", selection=["version_diff"])
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["compared"].value is False
    assert "no snapshot" in str(metadata["reason"].value)
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_rows_that_moved_under_hash_fail_the_command(store):
    (folder,) = [
        one
        for one in (store / "split").iterdir()
        if json.loads((one / "certificate.json").read_text())["dataset"]["dataset_version"] == "v1"
    ]
    table = pq.read_table(folder / ASSIGNMENT)
    swapped = pc.if_else(pc.equal(table["split"], "val"), "test", table["split"])
    pq.write_table(table.set_column(1, "split", swapped), folder / ASSIGNMENT)
    seal(folder)
    result = _invoke(diff, "v1", "v2")
    assert result.exit_code == 1
    assert re.search(r"^ERROR \d+ rows changed sides under the policy 'hash'", result.stderr)


def test_without_both_splits_the_rest_is_compared(project):
    spec = small_spec(split={"policy": "hash", "seed": 1})
    result = _invoke(diff, "v1", "v2", spec=spec)
    assert result.exit_code == 0
    assert "not compared: v1 was not split with the options now declared" in result.stdout
    assert "2 removed" in result.stdout


def test_a_version_that_was_never_frozen_is_told(project):
    result = _invoke(diff, "v1", "v3")
    assert result.exit_code == 1
    assert "recorded are: v1, v2" in result.stderr


def test_a_trace_says_what_the_files_say(project, module_postgres):
    sides = _sides(project)
    train, val, test = (
        [key for key, side in sides["v2"].items() if side == wanted][:3]
        for wanted in ("train", "val", "test")
    )
    keys = [*train, *val, *test, 11, 7, 99999]
    file = project / "keys.csv"
    file.write_text("visit_id\n" + "\n".join(map(str, keys)))
    traced = _json(trace, "--keys", str(file))
    assert [int(key["visit_id"]) for key in traced["keys"]] == keys
    for one in traced["datasets"]:
        version = one["dataset_version"]
        assert {keys[number] for number in one["found"]} == {k for k in keys if k in sides[version]}
    for one in traced["splits"]:
        named = sides[one["dataset_version"]]
        for side, found in one["sides"].items():
            assert [keys[number] for number in found] == [k for k in keys if named.get(k) == side]
    for one in [*traced["normalizations"], *traced["models"]]:
        fitted = {keys[number] for number in one["fitted_on"]}
        assert fitted == {k for k in keys if sides[one["dataset_version"]].get(k) == "train"}
    for one in traced["evaluations"]:
        judged = {keys[number] for number in one["judged_by"]}
        assert judged == {k for k in keys if sides[one["dataset_version"]].get(k) == "test"}
        assert one["test_reads"] == 2  # by the evaluation and the promotion
    assert [one["current"] for one in traced["bundles"]] == [False, True]
    (changed,) = traced["datasets"][1]["changed"]
    assert (keys[changed["key"]], changed["columns"]) == (7, ["amount"])
    (example,) = traced["examples"]
    assert {keys[number] for number in example["found"]} == {7, 11}
    with module_postgres.connect() as connection:
        query = "SELECT (row_key->>'visit_id')::int, normalization_version, split FROM "
        stored = set(connection.execute(query + "public.visits_as_trained").fetchall())
    assert {
        (keys[row["key"]], row["normalization_version"], row["split"])
        for row in traced["training_features"]["rows"]
    } == {row for row in stored if row[0] in keys}


def test_predictions_are_those_of_the_file(project):
    traced = _json(trace, "--key", "visit_id=11")
    (made,) = [one for one in traced["predictions"] if one["rows"]]
    table = pq.read_table(Path(made["folder"]) / "predictions.parquet").to_pylist()
    (row,) = [row for row in table if row["visit_id"] == 11]
    assert made["rows"] == [{"key": 0, "score": row["score"], "predicted": row["predicted"]}]
    assert (made["dataset_version"], made["model_version"]) == ("v1", row["model_version"])


def test_golden_rows_are_found_by_their_values(project):
    val = [key for key, side in _sides(project)["v2"].items() if side == "val"]
    (project / "val.csv").write_text("visit_id\n" + "\n".join(map(str, val)))
    traced = _json(trace, "--keys", str(project / "val.csv"))
    golden = traced["golden"][-1]
    rows = pq.read_table(golden["file"])
    # No two visits agree in all columns, so each golden row is one visit.
    assert len(golden["found"]) == rows.num_rows == SPEC.release.golden_rows
    train = next(key for key, side in _sides(project)["v2"].items() if side == "train")
    other = _json(trace, "--key", f"visit_id={train}")
    assert other["golden"][-1]["found"] == []


def test_splits_are_found_in_registry_and_store(store):
    registered, other = sorted((store / "split").iterdir())
    shutil.copytree(other, store / "split" / ("f" * 64))
    shutil.rmtree(registered)
    traced = _json(trace, "--key", "visit_id=7")
    states = {one["split_version"]: (one["recorded"], one["state"]) for one in traced["splits"]}
    assert states == {
        registered.name: (True, "not in the store"),
        other.name: (True, "read"),
        "f" * 64: (False, "read"),
    }
    unknown = [one for one in traced["models"] if not one["sides_known"]]
    assert {one["split_version"] for one in unknown} == {registered.name}
    report = _json(trace, "--key", "visit_id=7", "--erasure")
    assert any("on any side" in step["why"] for step in report["steps"])
    assert "?" in _invoke(trace, "--key", "visit_id=7").stdout


def test_a_snapshot_that_was_pruned_is_told(store):
    for folder in (store / "snapshot").iterdir():
        shutil.rmtree(folder)
    traced = _json(trace, "--key", "visit_id=7")
    assert [one["state"] for one in traced["datasets"]] == ["not in the store"] * 2
    assert traced["splits"][0]["sides"]["train"] == [0]
    assert "cannot be told" in traced["golden"][0]["state"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--key", "visit_id=seven"], "visit_id='seven' is not a value of bigint"),
        (["--key", "id=7"], "expected values of (visit_id), the key of v2"),
        (["--key", "visit_id"], "not of the form k=v"),
        (["--keys", "absent.csv"], "absent.csv cannot be read"),
        ([], "name a row by --key k=v"),
    ],
)
def test_a_key_that_cannot_be_looked_up_is_told(project, words, told):
    result = _invoke(trace, *words)
    assert result.exit_code != 0
    assert told in result.stderr


@pytest.mark.parametrize("table", ["public.absent", "public.visits"])
def test_a_table_of_training_features_may_be_absent_or_another(project, table):
    spec = small_spec(training_features={"table": table})
    told = {"public.absent": "not made yet", "public.visits": "it has no column"}[table]
    assert told in _invoke(trace, "--key", "visit_id=7", spec=spec).stdout
    none = _invoke(trace, "--key", "visit_id=7", spec=small_spec(training_features=None))
    assert "training features" not in none.stdout


def test_the_erasure_report_names_every_folder_that_has_the_key(project):
    key = next(key for key, side in _sides(project)["v2"].items() if side == "train" and key > 1800)
    report = _json(trace, "--key", f"visit_id={key}", "--erasure")
    deleted = {Path(step["where"]) for step in report["steps"] if step["do"] == "delete"}
    for path in (project / "store" / "visits").rglob("*.parquet"):
        table = pq.read_table(path)
        if "visit_id" in table.column_names and key in table["visit_id"].to_pylist():
            assert path.parent in deleted, path
    digest = digests(canonical(pa.record_batch({"visit_id": pa.array([key])}), ["visit_id"]))[0]
    held = (project / "store" / "visits").rglob(SEEN_KEYS)
    having = {path.parent for path in held if digest in np.load(path)}
    assert having
    assert having <= deleted
    assert report["promotions"][0]["why"] == "its model was fitted on 1 row"
    kept = {one["version"] for one in report["untouched"]}
    assert "v1" in kept
    for stage in ("normalization", "random_forest", "xgboost"):
        assert len([one for one in report["untouched"] if one["what"] == stage]) == 1


def test_nothing_is_written_or_deleted(project, module_postgres):
    def state() -> tuple:
        files = {path: path.stat().st_mtime_ns for path in (project / "store").rglob("*")}
        registry = Registry.open(module_postgres)
        return files, {name: registry.rows(name.split(".")[1]) for name in registry.tables.tables}

    before = state()
    _invoke(diff, "v1", "v2")
    _invoke(trace, "--key", "visit_id=7", "--erasure")
    assert state() == before


def test_the_page_shows_what_the_commands_print(project, request):
    page = PAGE.read_text("utf-8")
    for words in re.findall(r"<!-- (.+):begin -->", page):
        name, *options = words.split()
        printed = _invoke({"diff": diff, "trace": trace}[name], *options).stdout
        printed = printed.replace(str(project / "store"), ".plumbline/store")
        lines = "\n".join(line.rstrip() for line in printed.splitlines()).rstrip()
        block = f"<!-- {words}:begin -->\n```text\n{lines}\n```\n<!-- {words}:end -->"
        pattern = rf"<!-- {re.escape(words)}:begin -->.*?<!-- {re.escape(words)}:end -->"
        (shown,) = re.findall(pattern, page, re.DOTALL)
        if request.config.getoption("--update-golden"):
            page = page.replace(shown, block)
            PAGE.write_text(page, "utf-8")
        else:
            assert _shape(shown) == _shape(block)


def _shape(text: str) -> str:
    """The words and how often each comes; versions, moments and scores are another every time."""
    without = re.sub(r"\b[0-9a-f]{12}\b\*?|\b\d[\d.,:T-]*", "#", text)
    return " ".join(without.split())
