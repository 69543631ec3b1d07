"""Piecewise-linear embeddings of numbers (Gorishniy et al., On Embeddings, 2022)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras  # noqa: TID253  (this module is imported inside functions only)
import numpy as np

from plumbline.network.layers.initial import uniform


@keras.saving.register_keras_serializable(package="plumbline")
class PiecewiseLinearEmbedding(keras.layers.Layer):
    """Each number x becomes a·x + b + W·u(x), of `width` columns, with its own a, b and W.

    u has a component for each interval of the column's edges: how far x has come from the
    interval's lower edge to its upper one, from 0 to 1; below 0 in the first interval and above
    1 in the last, so that nothing is flat outside. W starts at zero, and with it the embedding
    is linear (Gorishniy et al., TabM, 2024, "version B", without activation).

    Input (n, d), output (n, columns): first the embedded numbers, `width` columns each, then
    those without edges as they are. `chunks` says which columns belong to one number.

    edges: strictly rising edges of each number's intervals; fewer than two where a number is
        passed on as it is. Numbers may have different counts of edges.
    """

    def __init__(self, edges: Sequence[Sequence[float]], width: int, **options: Any):
        # In bfloat16 neighbouring edges would be one: the intervals' shares are float32 always.
        super().__init__(autocast=False, **options)
        self.edges = [[float(edge) for edge in one] for one in edges]
        self.width = width
        self._embedded = [at for at, one in enumerate(self.edges) if len(one) > 1]
        self._passed = [at for at, one in enumerate(self.edges) if len(one) <= 1]
        self._start, self._slope, self._low, self._high = _pieces(
            [self.edges[at] for at in self._embedded]
        )

    @property
    def chunks(self) -> tuple[int, ...]:
        """Output columns of each number, in the output's order."""
        return (self.width,) * len(self._embedded) + (1,) * len(self._passed)

    def build(self, input_shape: Any) -> None:  # noqa: ARG002
        self.built = True
        count, bins = self._start.shape
        if not count:
            return
        shape = (count, self.width)
        self.slope = self.add_weight(
            name="embedding_slope", shape=shape, initializer=uniform(self.width)
        )
        self.bias = self.add_weight(
            name="embedding_bias", shape=shape, initializer=uniform(self.width)
        )
        self.pieces = self.add_weight(
            name="embedding_pieces", shape=(count, bins, self.width), initializer="zeros"
        )

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        numbers = ops.cast(inputs, "float32")
        parts = []
        if self._embedded:
            embedded = self._embed(ops.take(numbers, self._embedded, axis=1))
            parts.append(ops.reshape(embedded, (-1, len(self._embedded) * self.width)))
        if self._passed:
            passed = ops.take(numbers, self._passed, axis=1)
            parts.append(ops.cast(passed, self.compute_dtype))
        return ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def _embed(self, numbers: Any) -> Any:
        """(n, d) to (n, d, width)."""
        ops: Any = keras.ops
        kind = self.compute_dtype
        shares = (numbers[:, :, None] - self._start) * self._slope
        shares = ops.cast(ops.minimum(ops.maximum(shares, self._low), self._high), kind)
        curved = ops.einsum("ndt,dtw->ndw", shares, ops.cast(self.pieces, kind))
        numbers = ops.cast(numbers, kind)[:, :, None]
        return curved + numbers * ops.cast(self.slope, kind) + ops.cast(self.bias, kind)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        return (input_shape[0], sum(self.chunks))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("autocast", None)
        return {**config, "edges": self.edges, "width": self.width}


def _pieces(edges: Sequence[Sequence[float]]) -> tuple[np.ndarray, ...]:
    """Start, slope, lowest and highest share of every interval: float32, shape (d, bins).

    A column with fewer intervals than others is filled up with some whose share is always 0.
    """
    shape = (len(edges), max((len(one) - 1 for one in edges), default=0))
    start, slope, low, high = (np.zeros(shape, np.float32) for _ in range(4))
    for column, one in enumerate(edges):
        steps = len(one) - 1
        start[column, :steps] = one[:-1]
        slope[column, :steps] = [1 / (upper - lower) for lower, upper in pairwise(one)]
        high[column, :steps] = 1
        low[column, 0], high[column, steps - 1] = -np.inf, np.inf
    return start, slope, low, high
