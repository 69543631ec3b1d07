"""From category codes to columns."""

from collections.abc import Sequence
from typing import Any

import keras  # noqa: TID253  (this module is imported inside functions only)
import numpy as np

from plumbline.network.layers.initial import uniform


@keras.saving.register_keras_serializable(package="plumbline")
class OneHotCategories(keras.layers.Layer):
    """A column for every code of every category, the unknown and the missing one included.

    Input (n, c) integers, output (n, sum of cardinalities) of zeros and ones; a code outside
    0 to cardinality - 1 gives zeros.

    cardinalities: codes of each category (count).
    """

    def __init__(self, cardinalities: Sequence[int], **options: Any):
        super().__init__(**options)
        self.cardinalities = [int(one) for one in cardinalities]
        self._column = np.repeat(np.arange(len(self.cardinalities)), self.cardinalities)
        self._code = np.concatenate([np.arange(one) for one in (0, *self.cardinalities)])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Output columns of each category."""
        return tuple(self.cardinalities)

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        codes = ops.take(ops.cast(inputs, "int32"), self._column.astype(np.int32), axis=1)
        return ops.cast(ops.equal(codes, self._code.astype(np.int32)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        return (input_shape[0], sum(self.cardinalities))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cardinalities": self.cardinalities}


@keras.saving.register_keras_serializable(package="plumbline")
class CategoryEmbedding(keras.layers.Layer):
    """A learned vector for every code of every category.

    Input (n, c) integers, output (n, c · width). All categories are looked up in one table.

    cardinalities: codes of each category (count). width: columns that each is embedded in.
    """

    def __init__(self, cardinalities: Sequence[int], width: int, **options: Any):
        super().__init__(**options)
        self.cardinalities = [int(one) for one in cardinalities]
        self.width = width
        self._first = np.cumsum([0, *self.cardinalities[:-1]]).astype(np.int32)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Output columns of each category."""
        return (self.width,) * len(self.cardinalities)

    def build(self, input_shape: Any) -> None:  # noqa: ARG002
        self.table = self.add_weight(
            name="embeddings",
            shape=(sum(self.cardinalities), self.width),
            initializer=uniform(self.width),
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        places = ops.cast(inputs, "int32") + self._first
        found = ops.take(_once(self.table), places, axis=0)
        return ops.reshape(found, (-1, len(self.cardinalities) * self.width))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        return (input_shape[0], len(self.cardinalities) * self.width)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "cardinalities": self.cardinalities, "width": self.width}


@keras.saving.register_keras_serializable(package="plumbline")
class CodeEmbedding(keras.layers.Embedding):
    """`keras.layers.Embedding` whose gradient has one row for each code."""

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        return ops.take(_once(self.embeddings), ops.cast(inputs, "int32"), axis=0)


def _once(table: Any) -> Any:
    """The table as a result, no longer as a variable, whose gradient is summed code by code.

    A variable's comes in one row for each input on TensorFlow, and Keras 3.15's Adam, AdamW and
    Nadam add the squares of such rows where the square of their sum is meant.
    """
    return table * 1
