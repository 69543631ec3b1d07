"""From a query in PostgreSQL to scores in a table: typed, in order, whole after any failure."""

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from psycopg import errors
from release_bundles import ROWS, TASKS, Built, sized_table

from pipelines.cli import main
from plumbline.errors import DatabaseUnreachable, ScoringError
from plumbline.postgres import Postgres
from plumbline.release.bundle import load_bundle
from plumbline.scoring import batch, tables
from plumbline.scoring.batch import Scoring
from plumbline.scoring.blocks import Position
from plumbline.scoring.query_source import QuerySource
from plumbline.scoring.table_target import TableTarget
from plumbline.scoring.tables import Table
from plumbline.spec import Task

pytest_plugins = ["release_fixtures"]

PROJECT = Path(__file__).parents[2]
PART = 100
QUERY = "SELECT * FROM public.rows_to_score WHERE id < :most::bigint"


@pytest.fixture(scope="module")
def bundles(released: dict[Any, Built]) -> dict[Task, Built]:
    """A bundle of each task, with all that a decision can have."""
    return {task: released[task, "xgboost"] for task in TASKS}


@pytest.fixture(scope="module")
def database(
    module_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Postgres]:
    """Rows of every type, in no order, of which three cannot be scored."""
    shuffled = sized_table().take(np.random.default_rng(0).permutation(ROWS))
    table = Table.named("public.rows_to_score", shuffled.schema)
    with module_postgres.connect(autocommit=True) as connection:
        tables.make(connection, table)
        tables.fill(connection, table, shuffled.to_batches())
        connection.execute(
            "ALTER TABLE rows_to_score ALTER fee TYPE numeric(8, 3) USING fee::numeric"
        )
        connection.execute("UPDATE rows_to_score SET amount = 'inf' WHERE id IN (7, 330)")
        connection.execute("UPDATE rows_to_score SET id = NULL WHERE id = 599")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", module_postgres.url)
        for name in ("PLUMBLINE_HOME", "DAGSTER_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp("home")))
        yield module_postgres


@pytest.fixture
def query(tmp_path: Path) -> Path:
    (tmp_path / "rows.sql").write_text(QUERY.replace("WHERE", "WHERE id IS NULL OR"))
    return tmp_path / "rows.sql"


def predict(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments)], catch_exceptions=False)


def scoring(built: Built, query: Path, database: Postgres, **options: Any) -> Scoring:
    bundle, values = load_bundle(built.folder), {"most": "1000"}
    inputs = bundle.manifest.inputs
    source = QuerySource.opened(query, values, ["id"], inputs, database)
    return Scoring(bundle=bundle, source=source, key=["id"], rows=PART, **options)


def fetched(database: Postgres, name: str, order: str = "id") -> list[dict[str, Any]]:
    with database.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM {name} ORDER BY {order}")
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


TYPES = {
    "binary": {"score": "double precision", "predicted": "smallint", "prediction_set": "text[]"},
    "multiclass": {"scores": "double precision[]", "predicted": "text", "prediction_set": "text[]"},
    "multilabel": {"scores": "double precision[]", "predicted": "text[]"},
    "regression": {"predicted": "double precision", "low": "double precision"},
}


@pytest.mark.parametrize("task", list(TASKS))
def test_a_query_is_scored_into_a_table(bundles, database, query, tmp_path, task):
    given = (bundles[task].folder, query)
    options = ("--key", "id", "--param", "most=1000")
    ran = predict(*given, f"public.{task}", *options)
    bad = ROWS - 1 if task == "regression" else ROWS - 3  # which does not read the amount
    assert ran.exit_code == 0, ran.output
    told = f"600 rows read: {bad} scored into public.{task}, {ROWS - bad} rejected into"
    assert f"{told} public.{task}_rejects" in ran.output
    predict(*given, tmp_path / "scored.parquet", *options)
    same = pq.read_table(tmp_path / "scored.parquet")
    rows = fetched(database, f"public.{task}")
    assert [row["id"] for row in rows] == same["id"].to_pylist()
    bundle = load_bundle(bundles[task].folder)
    for name in bundle.decision.schema.names:
        assert [row[name] for row in rows] == same[name].to_pylist()
    expected = sized_table().combine_chunks().to_batches()[0].take(same["id"].combine_chunks())
    answers = bundle.decision.outputs(bundle.score(expected))
    assert [row["predicted"] for row in rows] == answers["predicted"].to_pylist()
    assert {row["model_version"] for row in rows} == {"model_version-1"}
    (rejected, *_) = fetched(database, f"public.{task}_rejects", "row DESC")
    assert (rejected["row"], rejected["column"], rejected["reason"]) == (
        600,
        "id",
        "the key is NULL",
    )
    with database.connect() as connection:
        found = connection.execute(tables._FOUND, [f"public.{task}"]).fetchall()
    assert TYPES[task].items() <= dict(found).items()
    assert dict(found)["normalization_version"] == "text"


class Ended(Exception):
    """What ends a scoring in these tests."""


@contextmanager
def at_block(monkeypatch: pytest.MonkeyPatch, number: int, happens: Any) -> Iterator[None]:
    """Something happens before a block is scored."""
    judge, seen = batch.judge, 0

    def counted(*given: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == number:
            happens()
        return judge(*given)

    with monkeypatch.context() as patch:
        patch.setattr(batch, "judge", counted)
        yield


def lose_connections(database: Postgres) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
            "current_database() AND pid <> pg_backend_pid()"
        )


def test_a_lost_connection_costs_no_row(bundles, database, query, monkeypatch):
    made = scoring(bundles["binary"], query, database)
    whole = made.into(TableTarget(postgres=database, where="public.whole"))
    target = TableTarget(postgres=database, where="public.interrupted")
    for number in (3, 2):
        lost = at_block(monkeypatch, number, lambda: lose_connections(database))
        with lost, pytest.raises(DatabaseUnreachable, match="the same command: it goes on"):
            made.into(target)
    # What came before the last key does not count any more.
    with database.connect(autocommit=True) as connection:
        connection.execute("UPDATE rows_to_score SET note = 'late' WHERE id = 0")
        assert connection.execute("SELECT to_regclass('public.interrupted')").fetchone() == (None,)
    outcome = made.into(target)
    assert (outcome.resumed, outcome.read, outcome.rejected) == (300, ROWS, 3)
    assert (whole.resumed, whole.read, whole.rejected) == (0, ROWS, 3)
    for suffix, order in (("", "id"), ("_rejects", "row")):
        names = (f"public.whole{suffix}", f"public.interrupted{suffix}")
        one, two = (fetched(database, name, order) for name in names)
        assert one == two
    left = {row["relname"] for row in fetched(database, "pg_class", "relname")}
    assert not {name for name in left if name.endswith("_unfinished")}


def test_a_killed_process_is_gone_on_with(bundles, database, query):
    # When the scored rows were brought to their place, and the rejected ones were not yet.
    script = f"""
import os, signal
from plumbline.scoring import table_target
move = table_target.tables.move
def dying(*given, **named):
    move(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
table_target.tables.move = dying
from pipelines.cli import main
main(["predict", {str(bundles["binary"].folder)!r}, {str(query)!r}, "public.killed",
      "--key", "id", "--param", "most=1000"])
"""
    environment = {**os.environ, "DATABASE_URL": database.url}
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    with database.connect() as connection:
        assert connection.execute("SELECT to_regclass('public.killed')").fetchone() == (None,)
    arguments = (bundles["binary"].folder, query, "public.killed", "--key", "id")
    ran = predict(*arguments, "--param", "most=1000")
    assert "600 rows read, 600 of them before: 597 scored" in ran.output
    assert len(fetched(database, "public.killed")) == 597
    assert len(fetched(database, "public.killed_rejects", "row")) == 3


def test_a_part_and_how_far_it_came_are_kept_together(bundles, database, query, monkeypatch):
    made = scoring(bundles["binary"], query, database)
    target = TableTarget(postgres=database, where="public.together")
    fill, calls = tables.fill, []

    def ending(connection: Any, table: Table, batches: Any) -> None:
        fill(connection, table, batches)
        calls.append(table.where)
        if len(calls) == 3:  # the scored rows of the second part; its rejected ones are missing
            raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(tables, "fill", ending)
        with pytest.raises(Ended):
            made.into(target)
    assert len(fetched(database, "public.together_unfinished")) == PART - 1
    assert made.into(target).resumed == PART
    assert len(fetched(database, "public.together")) == 597


def test_what_is_done_is_not_done_again_but_on_request(bundles, database, query):
    given = (bundles["binary"].folder, query, "public.again", "--key", "id", "--param")
    assert "600 rows read: 597 scored" in predict(*given, "most=1000").output
    assert "scored already, and nothing was done: 597" in predict(*given, "most=1000").output
    assert len(fetched(database, "public.again")) == 597
    assert "600 rows read" in predict(*given, "most=1000", "--again").output
    assert len(fetched(database, "public.again")) == 2 * 597
    # Another parameter, other rows: they are added.
    assert "11 rows read: 9 scored" in predict(*given, "most=10").output
    assert len(fetched(database, "public.again")) == 2 * 597 + 9
    done = fetched(database, "public.again_scorings", "scoring")
    assert [row["rows_scored"] for row in done] == [597, 597, 9]
    assert all(row["finished_at"] for row in done)


def test_another_query_starts_anew(bundles, database, query, monkeypatch, caplog):
    target = TableTarget(postgres=database, where="public.anew")
    made = scoring(bundles["binary"], query, database)

    def end() -> None:
        raise Ended

    with at_block(monkeypatch, 4, end), pytest.raises(Ended):
        made.into(target)
    query.write_text("SELECT * FROM rows_to_score WHERE id < :most::int AND month > 6")
    outcome = scoring(bundles["binary"], query, database).into(target)
    assert outcome.resumed == 0
    assert "public.anew: half a scoring is there, but source changed" in caplog.text
    assert {row["month"] > 6 for row in fetched(database, "public.anew")} == {True}


def test_one_process_at_a_time_scores_into_a_table(database):
    schema, target = (
        pa.schema([("a", pa.int64())]),
        TableTarget(postgres=database, where="public.one"),
    )
    refused = pytest.raises(ScoringError, match="another process is scoring into public")
    with target.opened({}, schema, schema), refused:
        target.opened({}, schema, schema).__enter__()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("public.rows_to_score", "has the columns"),
        ("nowhere.scores", "nowhere"),
        ("public." + "x" * 45, "63 bytes"),
    ],
)
def test_a_table_that_cannot_hold_scores_is_refused_at_once(bundles, database, query, name, told):
    given = (bundles["binary"].folder, query, name, "--key", "id", "--param", "most=10")
    ran = predict(*given)
    assert ran.exit_code == 1
    assert told in ran.output
    assert "to fix: " in ran.output


def test_a_login_without_rights_is_told(bundles, database, query):
    with database.connect(autocommit=True) as connection:
        connection.execute("CREATE ROLE reader_of_scores")
        connection.execute("GRANT SELECT ON rows_to_score TO reader_of_scores")
    reader = Postgres(f"{database.url}&options=-c%20role%3Dreader_of_scores")
    made = scoring(bundles["binary"], query, reader)
    with pytest.raises(ScoringError, match="permission denied for schema public"):
        made.into(TableTarget(postgres=reader, where="public.forbidden"))


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("SELECT * FROM rows_to_score", "", "no declared key"),
        ("SELECT * FROM rows_to_score", "ident", "no column 'ident'"),
        ("SELECT * FROM rows_to_score", "amount", "is double precision"),
        ("SELECT * FROM rows_to_score", "month", "repeats: month 1"),
        ("SELECT id FROM rows_to_score", "id", "no column 'age'"),
        ("SELECT * FROM rows_to_scores", "id", '"rows_to_scores" does not exist'),
        ("SELECT *, :x AS x FROM rows_to_score", "id", "has no value for :x"),
    ],
)
def test_a_query_that_cannot_be_scored_is_refused(bundles, database, tmp_path, text, key, told):
    (tmp_path / "q.sql").write_text(text)
    given = (bundles["binary"].folder, tmp_path / "q.sql", tmp_path / "scored.parquet")
    ran = predict(*given, *(["--key", key] if key else []))
    assert ran.exit_code == 1
    assert told in ran.output
    assert [path.name for path in tmp_path.iterdir()] == ["q.sql"]


def test_a_query_goes_on_behind_any_key(database, tmp_path):
    """Of several columns, with NULL, text and moments, in PostgreSQL's order."""
    (tmp_path / "q.sql").write_text("""
        SELECT * FROM (VALUES (1, 'b'), (1, 'B'), (1, NULL), (NULL, 'z'), (NULL, NULL),
                              (2, 'it''s')) AS v (n, t),
        (VALUES (timestamptz '2024-01-01 00:00:00.000001Z', 1.50, true),
                (timestamptz '2024-01-01', 1.5, NULL), (NULL, 2, false)) AS w (at, x, flag)
    """)
    key = ["n", "t", "at", "x", "flag"]
    source = QuerySource.opened(tmp_path / "q.sql", {}, key, [], database)
    whole = list(source.blocks(1, Position()))
    rows = [block.rows.to_pylist()[0] for block in whole]
    assert len(rows) == 18
    assert [row["t"] for row in rows[:9:3]] == ["B", "b", None]
    for number, block in list(enumerate(whole, start=1))[::3]:
        found = [one.rows.to_pylist()[0] for one in source.blocks(1, block.end)]
        assert found == rows[number:]
        assert block.end.row == number


def test_every_type_has_its_column(database):
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, 6, dt.UTC)
    nasty = ['say "hi", \\ {x}\n\t', "", "NULL", "ü\u2028"]
    columns = {
        "flag": pa.array([True, None]),
        "tiny": pa.array([-1, None], pa.int8()),
        "big": pa.array([2**63 - 1, None]),
        "unsigned": pa.array([2**64 - 1, None], pa.uint64()),
        "real": pa.array([0.1, None], pa.float32()),
        "number": pa.array([float("-inf"), float("nan")]),
        "text": pa.array([nasty[0], None]),
        "coded": pa.array(["a", None]).dictionary_encode(),
        "file": pa.array([b"\x00\\x", None]),
        "day": pa.array([moment.date(), None]),
        "local": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("us")),
        "moment": pa.array([moment, None], pa.timestamp("ns", tz="Europe/Berlin")),
        "exact": pa.array([None, None], pa.decimal128(10, 2)),
        "many": pa.array([nasty, None], pa.list_(pa.string())),
        "fixed": pa.array([[0.1, None], None], pa.list_(pa.float64(), 2)),
        "none": pa.array([[], None], pa.large_list(pa.int32())),
    }
    whole = pa.record_batch(columns)
    table = Table.named("public.types", whole.schema)
    with database.connect() as connection:
        tables.make(connection, table)
        tables.fill(connection, table, [whole, whole.slice(1), whole.slice(0, 0)])
    rows = fetched(database, "public.types", "flag")
    assert len(rows) == 3
    for name, values in columns.items():
        found, expected = (
            rows[0][name],
            values.cast(pa.float64())[0].as_py() if name == "real" else values[0].as_py(),
        )
        assert found == (pytest.approx(expected) if name == "real" else expected), name
        assert rows[1][name] is None or np.isnan(rows[1][name]), name
    with pytest.raises(ScoringError, match="'s' is struct"):
        tables.make(connection, Table.named("public.no", pa.schema([("s", pa.struct([]))])))
    with pytest.raises(errors.OperationalError):
        connection.execute("SELECT 1")
