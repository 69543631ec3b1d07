"""The operations of a graph in TensorFlow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plumbline.exports.ops import Kind


@dataclass(kw_only=True)
class TensorFlowOps:
    """Call it while a `tf.function` is traced; whoever saves that keeps `tables`."""

    tables: dict[tuple[tuple[str, int], ...], Any] = field(default_factory=dict)
    """Vocabularies as lookup tables: one each, however often the function is traced."""

    def constant(self, values: np.ndarray) -> Any:
        import tensorflow as tf

        return tf.constant(values)

    def cast(self, values: Any, kind: Kind) -> Any:
        import tensorflow as tf

        return tf.cast(values, kind)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        import tensorflow as tf

        return tf.where(condition, yes, no)

    def either(self, one: Any, other: Any) -> Any:
        import tensorflow as tf

        return tf.logical_or(one, other)

    def is_nan(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.math.is_nan(values)

    def is_infinite(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.math.is_inf(values)

    def size(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.abs(values)

    def log(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.math.log(values)

    def exp(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.exp(values)

    def root(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.sqrt(values)

    def product(self, values: Any, matrix: np.ndarray) -> Any:
        import tensorflow as tf

        return tf.matmul(values, tf.constant(matrix))

    def row_sum(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_sum(values, axis=1, keepdims=True)

    def row_max(self, values: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_max(values, axis=1, keepdims=True)

    def take(self, table: np.ndarray, places: Any) -> Any:
        import tensorflow as tf

        return tf.gather(tf.constant(table), places)

    def column(self, values: Any, place: int) -> Any:
        return values[:, place]

    def side_by_side(self, columns: Sequence[Any]) -> Any:
        import tensorflow as tf

        return tf.stack(columns, axis=1)

    def codes(self, texts: Any, known: Mapping[str, int], otherwise: int) -> Any:
        import tensorflow as tf

        key = tuple(known.items())
        if key not in self.tables:
            with tf.init_scope():
                keys, codes = list(known), np.array(list(known.values()), np.int64)
                given = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(codes))
                self.tables[key] = tf.lookup.StaticHashTable(given, otherwise)
        return self.tables[key].lookup(texts)

    def places(self, values: Any, table: np.ndarray, *, counting_equal: bool) -> Any:
        import tensorflow as tf

        side = "right" if counting_equal else "left"
        return tf.searchsorted(tf.constant(table), values, side=side, out_type=tf.int64)
