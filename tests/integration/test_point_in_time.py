"""docs/point-in-time.md on a real PostgreSQL: what arrives late leaks by the naive join only."""

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from snapshots import spec_of

from plumbline.errors import VersionConflict
from plumbline.extract.freeze import freeze
from plumbline.extract.query import read_query

TEXT = (Path(__file__).parents[2] / "docs" / "point-in-time.md").read_text("utf-8")
SQL = dict(re.findall(r"<!-- ([\w ]+) -->\n```sql\n(.*?)```", TEXT, re.DOTALL))
FILE = "sql/extracts/tested.sql"

LABELS = """
INSERT INTO labels VALUES
    (1, 7, '2024-02-07 12:00Z', true),   -- Wednesday
    (2, 7, '2024-02-10 12:00Z', false),  -- Saturday
    (3, 8, '2024-02-07 12:00Z', false),
    (4, 7, '2024-03-05 12:00Z', true)    -- after the cutoff
"""
KNOWN = "INSERT INTO customer_features VALUES (7, '2024-02-01Z', '2024-02-01Z', 0)"
LATE = "INSERT INTO customer_features VALUES (7, '2024-02-06Z', '2024-02-09Z', 5)"
CORRECTION = "INSERT INTO customer_features VALUES (7, '2024-02-06Z', '2024-02-09 06:00Z', 4)"
LATER = "INSERT INTO customer_features VALUES (7, '2024-02-20Z', '2024-02-20Z', 9)"


@pytest.fixture
def execute(postgres):
    def execute(*statements):
        with postgres.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    execute(SQL["tables"], LABELS, KNOWN)
    return execute


@pytest.fixture
def drawn(tmp_path, postgres, registry, store):
    """Freeze one of the document's extracts: the feature by payment, and the digest."""

    def drawn(name, version="v1", as_of="2024-03-01"):
        path = tmp_path / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SQL[name])
        (declared,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
        source = yaml.safe_load(declared)["source"] | {"sql": FILE}
        spec = spec_of(name=name.replace(" ", "_"), **source)
        snapshot, _ = freeze(
            spec,
            dataset_version=version,
            query=read_query(spec, tmp_path, {"as_of": as_of}),
            postgres=postgres,
            registry=registry,
            store=store,
        )
        rows = pa.Table.from_batches(snapshot.batches()).to_pylist()
        return {row["payment_id"]: row["chargebacks"] for row in rows}, snapshot.digest

    return drawn


def test_what_arrives_late_leaks_by_the_naive_join_only(execute, drawn):
    before = {1: 0, 2: 0, 3: None}
    assert drawn("naive")[0] == drawn("point in time")[0] == before
    execute(LATE, LATER)
    assert drawn("naive", "v2")[0] == {1: 5, 2: 5, 3: None}
    assert drawn("point in time", "v2")[0] == {1: 0, 2: 5, 3: None}


def test_a_version_is_drawn_again_as_it_was(execute, drawn, store):
    first = {name: drawn(name)[1] for name in ("naive", "point in time")}
    execute("INSERT INTO customer_features VALUES (7, '2024-02-06Z', '2024-03-09Z', 5)")
    shutil.rmtree(store.root)
    assert drawn("point in time")[1] == first["point in time"]
    with pytest.raises(VersionConflict, match="differing columns: chargebacks"):
        drawn("naive")


def test_a_correction_counts_from_when_it_was_recorded(execute, drawn):
    between = "INSERT INTO labels VALUES (5, 7, '2024-02-09 03:00Z', false)"
    execute(LATE, CORRECTION, between)
    assert drawn("point in time")[0] == {1: 0, 2: 4, 3: None, 5: 5}


def test_the_cutoff_is_a_bound_parameter_of_the_version(execute, drawn):
    assert drawn("point in time", as_of="2024-02-08")[0].keys() == {1, 3}
    with pytest.raises(VersionConflict, match="parameter as_of was '2024-02-08'"):
        drawn("point in time", as_of="2024-03-08")
    assert drawn("point in time", "v2", as_of="2024-03-08")[0].keys() == {1, 2, 3, 4}
