"""Moments of shards, merged, are those of all rows: why the statistics need no workers' code.

The normalization is fitted once and read by every worker. What it adds up could be added up by
shards: the merge is Chan's, the same that `moments.extended` makes of one cell after the other.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.normalization.moments import Moments, extended, nothing

CELL = 100


def of(rows: np.ndarray) -> Moments:
    found = nothing(rows.shape[1])
    for start in range(0, len(rows), CELL):
        found = extended(found, list(rows[start : start + CELL].T))
    return found


def merged(a: Moments, b: Moments) -> Moments:
    """Chan, Golub, LeVeque (1979), equations 2.1, of two shards that have pivots of their own."""
    count = a.count + b.count
    share = b.count / np.maximum(count, 1)
    gap = (b.pivot - a.pivot) + (b.offset - a.offset)
    return replace(
        a,
        count=count,
        infinite=a.infinite + b.infinite,
        mean=a.mean + (b.mean - a.mean) * share,
        offset=a.offset + gap * share,
        squares=a.squares + b.squares + gap * gap * a.count * share,
        low=np.minimum(a.low, b.low),
        high=np.maximum(a.high, b.high),
    )


@pytest.mark.parametrize("shards", range(1, 6))
@given(seed=st.integers(0, 2**32 - 1), centre=st.sampled_from([0.0, 1.0, -1e6, 1e9]))
def test_merged_shards_are_the_serial_pass(shards: int, seed: int, centre: float):
    generator = np.random.default_rng(seed)
    rows = centre + generator.normal(size=(1_003, 3)) * [1, 100, 0.01]
    rows[generator.random(rows.shape) < 0.1] = np.nan
    serial, parts = of(rows), [of(one) for one in np.array_split(rows, shards)]
    together = parts[0]
    for part in parts[1:]:
        together = merged(together, part)
    np.testing.assert_array_equal(together.count, serial.count)
    np.testing.assert_array_equal(together.low, serial.low)
    np.testing.assert_array_equal(together.high, serial.high)
    np.testing.assert_allclose(together.mean, serial.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(together.std, serial.std, rtol=1e-12)
