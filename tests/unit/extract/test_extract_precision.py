"""What exact numbers lose as float64 and as float32, against Python's decimals."""

import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plumbline.extract.precision import PrecisionLost, precision_lost


def of(*texts):
    return precision_lost(pa.array(texts, pa.string()))


def decimal_text(number: Decimal) -> str:
    """As PostgreSQL writes a numeric under trim_scale."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


LARGE = 10**30
numerics = st.decimals(allow_nan=False, allow_infinity=False, min_value=-LARGE, max_value=LARGE)


@given(st.lists(st.none() | numerics, max_size=20))
@example([Decimal("0.1"), Decimal("0.12345678901234567")])
@example([Decimal("9007199254740993"), Decimal("9007199254740992")])
@example([Decimal("1e-310"), Decimal("-0.000")])
def test_it_counts_what_does_not_read_back(numbers):
    texts = [None if number is None else decimal_text(number) for number in numbers]
    values = [Decimal(text) for text in texts if text is not None]
    found = of(*texts)
    assert found.rows == sum(Decimal(repr(float(value))) != value for value in values)
    lengths = [len(decimal_text(v.copy_abs()).replace(".", "").strip("0")) for v in values]
    assert found.digits == max(lengths, default=0)


@given(st.lists(st.floats(-1e38, 1e38, allow_subnormal=False), min_size=1, max_size=20))
def test_no_float64_loses_digits_and_the_error_is_float32s(numbers):
    found = of(*(decimal_text(Decimal(repr(number))) for number in numbers))
    assert found.rows == 0
    rounded = [(float(np.float32(number)), number) for number in numbers]
    errors = [abs(low - high) / abs(high) for low, high in rounded if high]
    assert found.worst == pytest.approx(max(errors, default=0.0), rel=1e-12)


def test_what_says_nothing_loses_nothing():
    assert of(None, "NaN", "Infinity", "-Infinity", "0", "100.5") == PrecisionLost(4, 0, 0.0)
    assert of() == of(None) == PrecisionLost(0, 0, 0.0)


@pytest.mark.parametrize(
    ("text", "rows", "worst"),
    [
        ("1" + "0" * 39, 0, math.inf),
        ("1" + "0" * 400, 1, math.inf),
        ("0." + "0" * 400 + "1", 1, 1.0),
        ("0." + "0" * 60 + "1", 0, 1.0),
        ("0.1", 0, 1.4901161138336505e-08),
    ],
)
def test_beyond_a_floats_range(text, rows, worst):
    assert of("1", text)[1:] == (rows, pytest.approx(worst))


def test_a_slice_is_read_as_a_slice():
    whole = pa.array(["9007199254740993", None, "0.5"], pa.string())
    assert precision_lost(whole.slice(1)) == PrecisionLost(1, 0, 0.0)
