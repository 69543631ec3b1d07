"""Laws of the content digest."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of

from plumbline.errors import UnsupportedType
from plumbline.extract import digest
from plumbline.extract.digest import blocks, content_of, content_of_snapshot

TYPES = {
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=5),
    pa.date32(): st.dates(),
    pa.timestamp("us", tz="UTC"): st.datetimes(timezones=st.just(dt.UTC)),
}
SMALL_BLOCK = 7


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(digest, "BLOCK_ROWS", SMALL_BLOCK)


@st.composite
def tables(draw, min_rows=0):
    rows = draw(st.integers(min_rows, 30))
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=4))
    columns = [
        pa.array(draw(st.lists(st.none() | TYPES[kind], min_size=rows, max_size=rows)), kind)
        for kind in kinds
    ]
    return pa.table(columns, names=[f"c{i}" for i in range(len(kinds))])


def batches(table, sizes):
    """`table` in batches of the sizes given, the rest in one; slices share their buffers."""
    start, made = 0, []
    for size in sizes:
        made += table.slice(start, size).to_batches()
        start += size
    return made + table.slice(start).to_batches()


def digest_of(table):
    return content_of(table.to_batches(), table.schema).digest


law = settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@law
@given(tables(), st.lists(st.integers(0, 12), max_size=6))
def test_batches_do_not_matter(table, sizes):
    content = content_of(batches(table, sizes), table.schema)
    assert content == content_of(table.to_batches(), table.schema)
    assert content.rows == table.num_rows
    assert content.nulls == tuple(column.null_count for column in table.columns)


@law
@given(tables(), st.lists(st.integers(0, 12), max_size=6))
def test_blocks_hold_the_same_rows_in_full_blocks(table, sizes):
    cut = list(blocks(batches(table, sizes)))
    assert pa.Table.from_batches(cut, table.schema).equals(table.combine_chunks()) or any(
        pa.types.is_floating(kind)
        for kind in table.schema.types  # NaN does not equal itself
    )
    assert all(block.num_rows == SMALL_BLOCK for block in cut[:-1])
    assert sum(block.num_rows for block in cut) == table.num_rows


@law
@given(tables(min_rows=1), st.data())
def test_any_changed_cell_changes_the_digest_of_its_column_only(table, data):
    index = data.draw(st.integers(0, table.num_columns - 1))
    row = data.draw(st.integers(0, table.num_rows - 1))
    values = table.column(index).to_pylist()
    kind = table.schema.types[index]
    before = pa.array([values[row]], kind)
    values[row] = data.draw(st.none() | TYPES[kind])
    changed = table.set_column(index, table.schema.field(index), pa.array(values, kind))
    one, two = (content_of(t.to_batches(), t.schema) for t in (table, changed))
    same = bits(before) == bits(pa.array([values[row]], kind))
    assert (one.digest == two.digest) == same
    assert [a == b for a, b in zip(one.digests, two.digests, strict=True)] == [
        same or i != index for i in range(table.num_columns)
    ]


def bits(value):
    """A cell so that NaN equals itself and -0.0 differs from 0.0."""
    if value.null_count or not pa.types.is_floating(value.type):
        return value.to_pylist()
    return value.to_numpy().tobytes()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([None], pa.string()), pa.array([""], pa.string())),
        (pa.array([0.0]), pa.array([-0.0])),
        (pa.array([None], pa.float64()), pa.array([0.0])),
        (pa.array([None], pa.float64()), pa.array([np.nan], from_pandas=False)),
        (pa.array([None], pa.bool_()), pa.array([False])),
        (pa.array([1], pa.int32()), pa.array([1], pa.int64())),
        (pa.array(["ab", "c"]), pa.array(["a", "bc"])),
        (pa.array(["a", None]), pa.array([None, "a"])),
        (pa.array(["", None]), pa.array([None, ""])),
        (pa.array([0, None]), pa.array([None, 0])),
        (pa.array([1, 2]), pa.array([2, 1])),
        (pa.array([1, 2]), pa.array([1, 2, None])),
        (pa.array([0] * 8), pa.array([0] * 9)),
        (pa.array([0], pa.timestamp("us")), pa.array([0], pa.timestamp("us", tz="UTC"))),
    ],
)
def test_what_differs_has_another_digest(one, other):
    assert digest_of(pa.table({"x": one})) != digest_of(pa.table({"x": other}))


def test_names_and_order_of_columns_matter():
    table = pa.table({"a": [1, 2], "b": [3, 4]})
    digests = {
        digest_of(table),
        digest_of(table.select(["b", "a"])),
        digest_of(table.rename_columns(["b", "a"])),
        digest_of(table.select(["a"])),
    }
    assert len(digests) == 4


def test_what_lies_under_a_null_does_not_matter():
    validity = pa.py_buffer(b"\x05")
    values = [pa.py_buffer(np.array(row, "<i8").tobytes()) for row in ([1, 0, 3], [1, 99, 3])]
    one, other = (pa.Array.from_buffers(pa.int64(), 3, [validity, buffer]) for buffer in values)
    assert digest_of(pa.table({"x": one})) == digest_of(pa.table({"x": other}))
    offsets = pa.py_buffer(np.array([0, 1, 3, 4], "<i4").tobytes())
    garbage = pa.Array.from_buffers(pa.string(), 3, [validity, offsets, pa.py_buffer(b"axxb")])
    assert digest_of(pa.table({"x": garbage})) == digest_of(pa.table({"x": ["a", None, "b"]}))


def test_a_validity_bitmap_that_says_nothing_does_not_matter():
    full = pa.Array.from_buffers(
        pa.int64(), 2, [pa.py_buffer(b"\x03"), pa.py_buffer(np.array([1, 2], "<i8").tobytes())]
    )
    assert digest_of(pa.table({"x": full})) == digest_of(pa.table({"x": [1, 2]}))


def test_the_format_is_what_it_was(monkeypatch):
    """Digests of earlier releases stand in registries: this one must never change."""
    monkeypatch.undo()
    table = pa.table(
        {
            "i": pa.array([1, None, 3], pa.int16()),
            "s": ["x", None, ""],
            "b": [True, None, False],
            "d": [dt.date(2020, 1, 1), None, dt.date(1, 1, 1)],
            "t": pa.array([dt.datetime(2020, 1, 1), None, None], pa.timestamp("us", tz="UTC")),
            "f": [1.5, None, -0.0],
        }
    )
    assert digest_of(table) == "82d52291b20ea99f34e7dded2177555d3422ece96a629363cdc7d5fde6f1385f"


@pytest.mark.parametrize("codec", ["none", "zstd", "snappy"])
def test_the_digest_of_a_snapshot_does_not_depend_on_its_files_encoding(tmp_path, codec):
    table = pa.table({"id": list(range(20)), "label": [0, 1] * 10, "s": ["a", None] * 10})
    snapshot = snapshot_of(table, tmp_path)
    pq.write_table(
        table, tmp_path / "data.parquet", compression=codec, row_group_size=3, use_dictionary=True
    )
    assert content_of_snapshot(snapshot).digest == digest_of(table)


def test_a_type_outside_the_contract_is_refused():
    table = pa.table({"x": [[1, 2]]})
    with pytest.raises(UnsupportedType, match="list"):
        digest_of(table)


def test_a_block_after_a_short_one_is_refused():
    digester = digest.Digester(pa.schema([("x", pa.int64())]))
    short = pa.RecordBatch.from_pydict({"x": [1, 2]})
    digester.update(short)
    with pytest.raises(ValueError, match="row 2"):
        digester.update(short)


def test_text_beyond_one_arrow_array_is_refused_and_not_cut(monkeypatch):
    halves = pa.Table.from_batches(
        [pa.RecordBatch.from_pydict({"x": ["a"]}), pa.RecordBatch.from_pydict({"x": ["b"]})]
    )
    # What combine_chunks does when more than 2 GiB of text would have to fit into one array.
    monkeypatch.setattr(digest.pa, "Table", Uncombined(halves))
    with pytest.raises(UnsupportedType, match="over 2 GiB"):
        list(blocks(halves.to_batches()))


class Uncombined:
    def __init__(self, table):
        self.table = table

    def from_batches(self, batches):
        return self

    def combine_chunks(self):
        return self.table
