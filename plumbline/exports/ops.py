"""The operations that an exported graph is made of: one meaning, written in several formats."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

Value = Any
"""A tensor of the format. Between two of them, or one and a number, + - * / < <= and >= mean what
they do in NumPy, in float64."""

Kind = Literal["float32", "float64", "int32", "int64"]


class Ops(Protocol):
    """A format's operations. Rows are the first axis, and there may be none of them."""

    def constant(self, values: np.ndarray) -> Value: ...

    def cast(self, values: Value, kind: Kind) -> Value: ...

    def where(self, condition: Value, yes: Value, no: Value) -> Value: ...

    def either(self, one: Value, other: Value) -> Value: ...

    def is_nan(self, values: Value) -> Value: ...

    def is_infinite(self, values: Value) -> Value: ...

    def size(self, values: Value) -> Value:
        """The absolute value."""
        ...

    def log(self, values: Value) -> Value: ...

    def exp(self, values: Value) -> Value: ...

    def root(self, values: Value) -> Value: ...

    def product(self, values: Value, matrix: np.ndarray) -> Value:
        """(n, d) by a matrix (d, k): (n, k)."""
        ...

    def row_sum(self, values: Value) -> Value:
        """(n, k) to (n, 1)."""
        ...

    def row_max(self, values: Value) -> Value:
        """(n, k) to (n, 1)."""
        ...

    def take(self, table: np.ndarray, places: Value) -> Value:
        """Entries of a table by their places along its first axis."""
        ...

    def column(self, values: Value, place: int) -> Value:
        """(n, k) to (n,)."""
        ...

    def side_by_side(self, columns: Sequence[Value]) -> Value:
        """At least one (n,), to (n, k)."""
        ...

    def codes(self, texts: Value, known: Mapping[str, int], otherwise: int) -> Value:
        """Codes of texts: int64, shape (n,)."""
        ...

    def places(self, values: Value, table: np.ndarray, *, counting_equal: bool) -> Value:
        """How many entries of a rising table are less than each value, or equal to it where
        these count: int64, shape (n,).
        """
        ...
