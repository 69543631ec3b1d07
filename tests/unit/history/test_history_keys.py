"""Keys in the types that files store them in, and the rows that have them."""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.errors import HistoryError
from plumbline.history.keys import ASKED, Keys, keys_in, keys_of, rows_with, stored_schema

DATASET = {
    "dataset_version": "v1",
    "key_columns": ["day", "id"],
    "columns": [
        {"name": "day", "postgres_type": "date", "arrow_type": "date32[day]"},
        {"name": "id", "postgres_type": "bigint", "arrow_type": "int64"},
        {"name": "x", "postgres_type": "double precision", "arrow_type": "double"},
    ],
}


def _typed(text: str, kind: pa.DataType, postgres_type: str = ""):
    keys = Keys(names=("k",), given=((text,),))
    return keys.typed(pa.schema([("k", kind)]), {"k": postgres_type}).column(0)[0].as_py()


@pytest.mark.parametrize(
    ("text", "kind", "postgres_type", "value"),
    [
        (" 7", pa.int16(), "smallint", 7),
        ("1.50", pa.string(), "numeric", "1.5"),
        ("100", pa.string(), "numeric", "100"),
        ("-0.0", pa.string(), "numeric", "0"),
        ("1e3", pa.string(), "numeric", "1000"),
        ("12345678901234567890123456789012345.10", pa.string(), "numeric", None),
        ("NaN", pa.string(), "numeric", "NaN"),
        (" as it is ", pa.string(), "text", " as it is "),
        ("", pa.string(), "text", ""),
        ("T", pa.bool_(), "boolean", True),
        ("0", pa.bool_(), "boolean", False),
        ("2024-02-29", pa.date32(), "date", dt.date(2024, 2, 29)),
        ("2024-01-01 05:00", pa.timestamp("us"), "", dt.datetime(2024, 1, 1, 5)),
        (
            "2024-01-01T05:00+02:00",
            pa.timestamp("us", tz="UTC"),
            "",
            dt.datetime(2024, 1, 1, 3, tzinfo=dt.UTC),
        ),
        (
            "2024-01-01",
            pa.timestamp("us", tz="UTC"),
            "",
            dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        ),
        (
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            pa.string(),
            "uuid",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
    ],
)
def test_a_text_stands_for_the_value_that_the_extract_stored(text, kind, postgres_type, value):
    value = text.removesuffix("0") if value is None else value
    assert _typed(text, kind, postgres_type) == value


@pytest.mark.parametrize(
    ("text", "kind", "postgres_type"),
    [
        ("seven", pa.int64(), "bigint"),
        ("40000", pa.int16(), "smallint"),
        ("1" * 30, pa.int64(), "bigint"),
        ("yes", pa.bool_(), "boolean"),
        ("2024-02-30", pa.date32(), "date"),
        ("1,5", pa.string(), "numeric"),
        ("not-a-uuid", pa.string(), "uuid"),
        ("2024-01-01T05:00Z", pa.timestamp("us"), "timestamp without time zone"),
    ],
)
def test_a_text_that_the_column_cannot_hold_is_told(text, kind, postgres_type):
    with pytest.raises(HistoryError, match=rf"k='{text}' is not a value of {postgres_type}"):
        _typed(text, kind, postgres_type)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_whole_number_is_found_by_its_text(number):
    assert _typed(str(number), pa.int64(), "bigint") == number


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_every_moment_is_found_by_its_text(moment):
    assert _typed(moment.isoformat(), pa.timestamp("us", tz="UTC")) == moment
    naive = moment.replace(tzinfo=None)
    assert _typed(str(naive), pa.timestamp("us")) == naive


@pytest.mark.parametrize("given", [{"id": "1"}, {"id": "1", "day": "x", "z": "1"}, {}])
def test_all_columns_of_the_key_are_needed(given):
    with pytest.raises(HistoryError, match=r"expected values of \(day, id\)"):
        keys_of([given], DATASET)


def test_keys_of_a_file_are_taken_once_and_by_name(tmp_path):
    path = tmp_path / "keys.csv"
    path.write_text('id,note,day\n2,"a,b",2024-01-01\n1,,2024-01-02\n2,c,2024-01-01\n')
    keys = keys_in(path, DATASET)
    assert keys.names == ("day", "id")
    assert keys.given == (("2024-01-01", "2"), ("2024-01-02", "1"))


@pytest.mark.parametrize("text", ["id\n1\n", "", "id,day\n1\n", "\xff"])
def test_a_file_without_the_key_is_refused(tmp_path, text):
    path = tmp_path / "keys.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(HistoryError):
        keys_in(path, DATASET)
    with pytest.raises(HistoryError, match="cannot be read"):
        keys_in(tmp_path / "absent.csv", DATASET)


def test_rows_are_found_by_all_columns_of_the_key(tmp_path):
    days = [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
    table = pa.table({"id": [1, 2, 1], "x": [1.0, 2.0, 3.0], "day": days})
    pq.write_table(table, tmp_path / "data.parquet")
    given = (("2024-01-02", "1"), ("2024-01-02", "2"), ("2024-01-01", "1"))
    keys = Keys(names=("day", "id"), given=given)
    found = rows_with(keys, tmp_path / "data.parquet", {}, ["x"])
    assert found.to_pydict() == {ASKED: [0, 2], "x": [3.0, 1.0]}


def test_a_file_with_another_key_is_told(tmp_path):
    pq.write_table(pa.table({"other": [1]}), tmp_path / "data.parquet")
    keys = Keys(names=("id",), given=(("1",),))
    with pytest.raises(HistoryError, match="a column id that is not there"):
        rows_with(keys, tmp_path / "data.parquet", {}, [])


def test_columns_of_the_registry_have_their_arrow_types():
    assert stored_schema(DATASET).field("day").type == pa.date32()
    assert stored_schema(DATASET).field("x").type == pa.float64()
