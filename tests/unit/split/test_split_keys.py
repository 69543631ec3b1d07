"""Canonical bytes of keys: one value, one encoding; two values, two."""

import datetime as dt
import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.errors import SplitError
from plumbline.split.keys import canonical, derived_key, hash64, joined


def encoded(**columns: pa.Array) -> list[bytes]:
    batch = pa.record_batch(columns)
    return canonical(batch, list(columns)).to_pylist()


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), unique=True, min_size=1))
def test_different_pairs_have_different_bytes(rows):
    a, b = zip(*rows, strict=True)
    assert len(set(encoded(a=pa.array(a), b=pa.array(b)))) == len(rows)


def test_kinds_are_told_apart():
    one = [
        pa.array([1]),
        pa.array(["1"]),
        pa.array([b"1"]),
        pa.array([True]),
        pa.array([1.0]),
        pa.array([dt.date(1970, 1, 1)]),
        pa.array([0]).cast(pa.timestamp("us")),
    ]
    assert len({encoded(a=values)[0] for values in one}) == len(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([5, -7], pa.int16()), pa.array([5, -7], pa.int64())),
        (pa.array(["a", ""]), pa.array(["a", ""], pa.large_string())),
        (pa.array(["a", "b"]), pa.array(["a", "b"]).dictionary_encode()),
        (pa.array([0.0, 1.5]), pa.array([-0.0, 1.5])),
        (
            pa.array([10**6]).cast(pa.timestamp("us", "UTC")),
            pa.array([1]).cast(pa.timestamp("s", "Europe/Berlin")),
        ),
    ],
)
def test_equal_values_have_equal_bytes_whatever_holds_them(one, other):
    assert encoded(a=one) == encoded(a=other)


def test_joined_is_all_bytes_in_order_also_of_a_slice():
    values = canonical(pa.record_batch({"a": pa.array(["x", "", "yz"])}), ["a"])
    assert bytes(joined(values)) == b"".join(values.to_pylist())
    assert bytes(joined(values[1:])) == b"".join(values.to_pylist()[1:])


def test_hash_is_keyed_blake2b_of_the_bytes():
    key = derived_key("a purpose", 7)
    values = canonical(pa.record_batch({"a": pa.array([1, 2])}), ["a"])
    expected = [
        int.from_bytes(hashlib.blake2b(value, digest_size=8, key=key).digest())
        for value in values.to_pylist()
    ]
    assert hash64(values, key).tolist() == expected
    assert hash64(values, key).dtype == np.uint64


def test_keys_differ_by_purpose_and_seed():
    keys = {derived_key(purpose, seed) for purpose in ("a", "b") for seed in (0, 1, 2)}
    assert len(keys) == 6


def test_null_is_refused():
    with pytest.raises(SplitError, match="'a' decides the split, but has NULLs"):
        encoded(a=pa.array([1, None]))
