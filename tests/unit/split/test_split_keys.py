"""Canonical bytes of keys: one value, one encoding; two values, two."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.errors import SplitError
from plumbline.split.keys import canonical, derived_key, hash64, joined

few = settings(max_examples=25, deadline=None)


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


VECTORS = {
    0: 0x726FDB47DD0E0E31,
    1: 0x74F839C593DC67FD,
    8: 0x93F5F5799A932462,
    15: 0xA129CA6149BE45E5,  # the example worked out in the paper
    63: 0x958A324CEB064572,
}


def test_hash_gives_the_published_vectors_of_siphash():
    # Aumasson and Bernstein's reference code, vectors_sip64: bytes 0, 1, 2, ... under 0, 1, ...
    values = pa.array([bytes(range(length)) for length in VECTORS])
    found = hash64(values, bytes(range(16)))
    assert found.tolist() == list(VECTORS.values())
    assert found.dtype == np.uint64


@few
@given(values=st.lists(st.binary(max_size=40), max_size=30), data=st.data())
def test_a_hash_is_of_the_value_alone(values, data):
    key = derived_key("a purpose", 7)
    alone = [hash64(pa.array([value]), key).tolist()[0] for value in values]
    together = pa.array([b"before", *values], pa.binary())[1:]
    assert hash64(together, key).tolist() == alone
    order = data.draw(st.permutations(range(len(values))))
    assert hash64(together.take(pa.array(order, pa.int64())), key).tolist() == [
        alone[place] for place in order
    ]


def test_keys_differ_by_purpose_and_seed():
    keys = {derived_key(purpose, seed) for purpose in ("a", "b") for seed in (0, 1, 2)}
    assert len(keys) == 6


def test_null_is_refused():
    with pytest.raises(SplitError, match="'a' decides the split, but has NULLs"):
        encoded(a=pa.array([1, None]))
