"""Rows in a file are those of memory, in whatever order they are asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.normalization import prepared
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.prepared import copied

ROWS = 90


@given(places=st.lists(st.integers(-ROWS, ROWS - 1), max_size=40), mask=st.booleans())
def test_scattered_rows_are_read_as_from_memory(places, mask, tmp_path_factory):
    random = np.random.default_rng(0)
    source = Matrix(
        numeric=random.normal(size=(ROWS, 3)).astype(np.float32),
        codes=random.integers(0, 9, (ROWS, 2)).astype(np.int32),
        numeric_names=("a", "b", "c"),
        category_names=("d", "e"),
    )
    rows = np.array(places, int)
    asked = np.isin(np.arange(ROWS), rows) if mask else rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "READ_ROWS", 16)
        stored = copied(source, tmp_path_factory.getbasetemp())
        found, expected = stored.take(asked), source.take(asked)
        np.testing.assert_array_equal(found.numeric, expected.numeric)
        np.testing.assert_array_equal(found.codes, expected.codes)
        with pytest.raises(IndexError):
            stored.take(np.array([ROWS]))
