"""What a JSON body may say: every column by name, strictly of its type, or null."""

import datetime as dt
import json

import pyarrow as pa
import pytest
from pydantic.json_schema import models_json_schema
from serving_bundles import EVERY, input_of

from plumbline.release.manifest import Element, Input
from plumbline.release.raw import conform
from plumbline.serving.problems import Refused
from plumbline.serving.rows import JsonRows

SCHEMA = pa.schema([(name, kind) for name, (_, kind) in EVERY.items()])
INPUTS = [input_of(name, postgres, kind) for name, (postgres, kind) in EVERY.items()]
VALUES = {
    "small": 7,
    "whole": -40_000,
    "big": 2**60,
    "real": 1.5,
    "number": 0.1,
    "exact": "12.50",
    "flag": True,
    "text": "Köln, \U0001f30d",
    "day": "2024-02-29",
    "local": "2024-02-29T12:30:00.123456",
    "moment": "2024-02-29T12:30:00+02:00",
    "file": "aGVsbG8=",
}
LONG = "1" + "0" * 400


def reader(inputs=INPUTS, schema=SCHEMA, rows=100) -> JsonRows:
    return JsonRows(inputs, schema, rows)


def body(*rows, **more) -> bytes:
    return json.dumps({"rows": list(rows), **more}).encode()


def refused(given: bytes, by: JsonRows | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        (by or reader()).read(given)
    return caught.value


def fields(error: Refused) -> list[str]:
    return [one["field"] for one in error.errors]


@pytest.mark.parametrize("ignored", ["", "1"])
def test_every_type_arrives_as_the_snapshot_has_it(monkeypatch, ignored):
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", ignored)
    found = conform(reader().read(body(VALUES)), INPUTS, SCHEMA)
    assert found.schema == SCHEMA
    moment = dt.datetime(2024, 2, 29, 10, 30, tzinfo=dt.UTC)
    assert found.to_pylist() == [
        {
            **VALUES,
            "exact": "12.50",
            "day": dt.date(2024, 2, 29),
            "local": dt.datetime(2024, 2, 29, 12, 30, 0, 123456),
            "moment": moment,
            "file": b"hello",
        }
    ]


def test_the_order_of_fields_does_not_matter():
    backwards = dict(reversed(VALUES.items()))
    assert reader().read(body(backwards)).equals(reader().read(body(VALUES)))


@pytest.mark.parametrize("name", EVERY)
def test_any_column_may_be_null_but_not_left_out(name):
    found = conform(reader().read(body({**VALUES, name: None})), INPUTS, SCHEMA)
    assert found.column(name).null_count == 1
    error = refused(body({k: v for k, v in VALUES.items() if k != name}))
    assert error.status == 422
    assert error.errors == [{"row": 1, "field": name, "problem": "missing"}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("small", 2**15),
        ("whole", "7"),
        ("whole", 7.5),
        ("whole", True),
        ("whole", -(2**31) - 1),
        ("big", 2**63),
        ("real", "1.5"),
        ("real", 1e39),
        ("number", "NaN"),
        ("number", [1.0]),
        ("exact", "12,5"),
        ("exact", "1e5"),
        ("exact", "NaN"),
        ("exact", "1\n"),
        ("exact", False),
        ("flag", 1),
        ("flag", "true"),
        ("text", 5),
        ("text", {"a": 1}),
        ("day", "2024-02-30"),
        ("day", 20240229),
        ("day", "2024-02-29T00:00:01"),
        ("local", "2024-02-29T12:30:00Z"),
        ("local", 1709210000),
        ("moment", "2024-02-29T12:30:00"),
        ("moment", "2024-02-29T12:30:00.1234567Z"),
        ("moment", "yesterday"),
        ("file", "%%%"),
    ],
)
def test_another_type_is_refused_by_name_and_row(name, value):
    error = refused(body(VALUES, {**VALUES, name: value}))
    assert error.status == 422
    assert [(one["field"], one["row"]) for one in error.errors] == [(name, 2)]
    assert f"'{name}' is " in error.found


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", LONG])
@pytest.mark.parametrize("name", ["real", "number", "whole"])
def test_what_is_no_finite_number_is_refused(name, word):
    given = body({**VALUES, name: "HERE"}).replace(b'"HERE"', word.encode())
    assert fields(refused(given)) == [name]


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("whole", 12.0, 12),
        ("number", 3, 3.0),
        ("exact", 12.5, "12.5"),
        ("exact", 12, "12"),
        ("exact", 1e20, "1" + "0" * 20),
        ("exact", 1e-7, "0.0000001"),
    ],
)
def test_numbers_may_be_written_as_json_has_them(name, given, kept):
    assert reader().read(body({**VALUES, name: given})).column(name).to_pylist() == [kept]


def test_unknown_fields_are_refused_by_name():
    error = refused(body({**VALUES, "agee": 3, "": 4}))
    assert error.status == 422
    assert [(one["field"], one["problem"]) for one in error.errors] == [
        ("agee", "unknown"),
        ("the row", "unknown"),
    ]


def test_everything_wrong_with_a_row_is_told_at_once():
    wrong = {**VALUES, "small": "x", "flag": 0, "more": 1}
    del wrong["day"]
    assert set(fields(refused(body(wrong)))) == {"small", "flag", "more", "day"}


@pytest.mark.parametrize("given", [b"", b"{", b"nope", b"\xff\xfe", b"[" * 100_000, b'{"rows": [}'])
def test_what_is_no_json_is_a_bad_request(given):
    assert refused(given).status == 400


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (b"[]", "the body"),
        (b"null", "the body"),
        (b"{}", "rows"),
        (b'{"rows": {}}', "rows"),
        (b'{"rows": [3]}', "the row"),
        (b'{"rows": [], "row": []}', "row"),
    ],
)
def test_other_json_names_what_is_wrong(given, field):
    error = refused(given)
    assert error.status == 422
    assert field in fields(error)


def test_too_many_rows_are_refused_before_they_are_read():
    by = reader(rows=2)
    assert by.read(body(VALUES, VALUES)).num_rows == 2
    assert refused(body(VALUES, VALUES, VALUES), by).status == 413
    assert refused(body(VALUES, VALUES, VALUES, 3), by).status == 413


def test_no_rows_have_every_column():
    found = conform(reader().read(body()), INPUTS, SCHEMA)
    assert (found.num_rows, found.schema) == (0, SCHEMA)


@pytest.mark.parametrize(
    "name", ["with space", "class", "model_config", "_x", "rows", "ä", "1", ""]
)
def test_columns_may_have_any_name(name):
    by = reader([input_of(name, "integer", pa.int32())], pa.schema([(name, pa.int32())]))
    assert by.read(body({name: 5})).to_pydict() == {name: [5]}


ARRAY = [
    Input(
        name=f"v{place}",
        postgres_type="real",
        arrow_type="float",
        kind="numeric",
        element=Element(array="vector", place=place, width=3),
    )
    for place in (1, 3)
]
WITH_ARRAY = [input_of("age", "integer", pa.int32()), *ARRAY]
ARRAY_SCHEMA = pa.schema([("age", pa.int32()), ("v1", pa.float32()), ("v3", pa.float32())])


@pytest.mark.parametrize(
    ("row", "conformed"),
    [
        ({"age": 1, "v1": 0.5, "v3": None}, {"age": 1, "v1": 0.5, "v3": None}),
        ({"age": 1, "vector": [0.5, 9.0, None]}, {"age": 1, "v1": 0.5, "v3": None}),
        ({"age": 1, "vector": None}, {"age": 1, "v1": None, "v3": None}),
    ],
)
def test_an_array_comes_by_its_elements_or_whole(row, conformed):
    found = reader(WITH_ARRAY, ARRAY_SCHEMA).read(body(row))
    assert conform(found, WITH_ARRAY, ARRAY_SCHEMA).to_pylist() == [conformed]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"age": 1, "vector": [0.5, 1.0]}, {"vector"}),
        ({"age": 1, "vector": [0.5, 1.0, "x"]}, {"vector"}),
        ({"age": 1, "v1": 1.0}, {"v3"}),
        ({"age": 1, "vector": [0, 0, 0], "v1": 1.0}, {"v1"}),
        ({"age": 1}, {"v1", "v3"}),
    ],
)
def test_an_array_of_another_shape_is_refused(row, named):
    error = refused(body(row), reader(WITH_ARRAY, ARRAY_SCHEMA))
    assert error.status == 422
    assert set(fields(error)) == named


def test_the_schema_says_the_same():
    models = [(one, "validation") for one in reader().requests]
    row = models_json_schema(models)[1]["$defs"]["Row"]
    assert row["required"] == list(EVERY)
    assert row["additionalProperties"] is False
    kinds = {name: one["anyOf"][0].get("type") for name, one in row["properties"].items()}
    assert all(one["anyOf"][1] == {"type": "null"} for one in row["properties"].values())
    assert kinds == {
        **dict.fromkeys(("small", "whole", "big"), "integer"),
        **dict.fromkeys(("real", "number"), "number"),
        "exact": ["number", "string"],
        "flag": "boolean",
        **dict.fromkeys(("text", "day", "local", "moment", "file"), "string"),
    }
