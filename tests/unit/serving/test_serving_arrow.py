"""An Arrow stream from somebody who need not be trusted."""

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from release_bundles import raw_table
from serving_bundles import input_of, stream

from plumbline.errors import BundleError
from plumbline.release.manifest import Element, Input
from plumbline.serving.arrow_rows import TEXT_FACTOR, ArrowRows
from plumbline.serving.problems import Refused

INPUTS = [input_of("age", "integer", pa.int32()), input_of("city", "text", pa.string())]
SCHEMA = pa.schema([("age", pa.int32()), ("city", pa.string())])
RAW = raw_table().select(["age", "city"]).combine_chunks().to_batches()[0]
MOST_ROWS, MOST_BYTES = 2_000, 4_096


def read(body: bytes) -> pa.RecordBatch:
    return ArrowRows(INPUTS, SCHEMA, max_rows=MOST_ROWS, max_bytes=MOST_BYTES).read(body)


def refused(body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read(body)
    return caught.value


def cities(values: pa.Array) -> pa.RecordBatch:
    return pa.record_batch({"age": pa.nulls(len(values), pa.int32()), "city": values})


def test_batches_of_a_stream_are_one():
    assert read(stream(RAW.slice(0, 7), RAW.slice(7, 0), RAW.slice(7))).equals(RAW)


def test_no_rows_have_every_column():
    assert read(stream(RAW.slice(0, 0))).schema == SCHEMA


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("kind", ["plain", "dictionary"])
def test_compressed_streams_are_refused_without_unpacking(codec, kind):
    rows = RAW if kind == "plain" else cities(RAW.column("city").dictionary_encode())
    assert read(stream(rows)).num_rows == len(rows)
    error = refused(stream(rows, compression=codec))
    assert error.status == 400
    assert "compressed" in error.found


def test_a_stream_without_its_end_is_refused():
    whole = stream(RAW, RAW)
    for cut in (1, 8, 9, len(whole) // 3):
        assert refused(whole[:-cut]).status == 400
    assert refused(whole + b"\0").status == 400
    assert refused(whole + stream(RAW)).status == 400


@pytest.mark.parametrize("body", [b"", b"\0" * 64, b"PK\x03\x04", b'{"rows": []}', b"\xff" * 99])
def test_what_is_no_stream_is_a_bad_request(body):
    assert refused(body).status == 400


def test_too_many_rows_are_refused_whatever_they_weigh():
    assert refused(stream(*[RAW] * 4)).status == 413
    none = pa.nulls(2**28)
    nothing = pa.record_batch({"age": none, "city": none})
    assert refused(stream(nothing)).status == 413


TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1_000)]


@pytest.mark.parametrize("kind", TEXTS + BYTES)
def test_a_dictionary_cannot_blow_up(kind):
    wanted, value = (pa.string(), "x") if kind in TEXTS else (pa.binary(), b"x")
    schema = pa.schema([("x", wanted)])
    by = ArrowRows([input_of("x", "text", wanted)], schema, max_rows=9_999, max_bytes=MOST_BYTES)
    rows = MOST_BYTES * TEXT_FACTOR // 1_000
    places = pa.array(np.zeros(rows + 1, np.int8))
    coded = pa.DictionaryArray.from_arrays(places, pa.array([value * 1_000], kind))
    bomb = pa.record_batch({"x": coded})
    with pytest.raises(Refused) as caught:
        by.read(stream(bomb))
    assert caught.value.status == 413
    assert by.read(stream(bomb.slice(1))).num_rows == rows


def test_a_view_cannot_blow_up():
    one = pa.array(["x" * 1_000], pa.string_view())
    rows = MOST_BYTES * TEXT_FACTOR // 1_000
    views = pa.py_buffer(one.buffers()[1].to_pybytes()[:16] * (rows + 1))
    text = pa.Array.from_buffers(pa.string_view(), rows + 1, [None, views, one.buffers()[2]])
    assert refused(stream(cities(text))).status == 413


def test_unknown_columns_are_refused_by_name():
    more = RAW.append_column("agee", RAW.column("age"))
    error = refused(stream(more))
    assert (error.status, error.errors) == (422, [{"field": "agee", "problem": "unknown"}])


def test_missing_columns_and_other_types_are_refused_by_name():
    with pytest.raises(BundleError, match="no column 'age'"):
        read(stream(RAW.select(["city"])))
    with pytest.raises(BundleError, match="'age' is string"):
        read(stream(pa.record_batch({"age": ["1"], "city": ["a"]})))


def test_text_that_is_no_utf8_is_refused():
    wrong = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], "<i4")), pa.py_buffer(b"\xff")]
    )
    assert refused(stream(cities(wrong))).status == 400


def test_an_array_comes_whole():
    elements = [
        Input(
            name=f"v{place}",
            postgres_type="real",
            arrow_type="float",
            kind="numeric",
            element=Element(array="vector", place=place, width=2),
        )
        for place in (1, 2)
    ]
    schema = pa.schema([("v1", pa.float32()), ("v2", pa.float32())])
    by = ArrowRows(elements, schema, max_rows=10, max_bytes=100)
    whole = pa.record_batch({"vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32()))})
    assert by.read(stream(whole)).equals(whole)


@settings(max_examples=200)
@given(places=st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), max_size=5))
def test_no_change_of_a_stream_does_worse_than_refuse(places):
    body = bytearray(stream(RAW.slice(0, 20), cities(RAW.column("city").slice(0, 20))))
    for place, value in places:
        body[place % len(body)] = value
    with suppress(Refused, BundleError):
        read(bytes(body)).validate(full=True)
