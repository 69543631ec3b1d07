"""Members of an ensemble that share most of their weights (Gorishniy et al., TabM, 2024).

After Wen et al., BatchEnsemble (2020): all members go through the same kernel, each with scales
of its own. Members lie on the second axis: (n, members, columns).
"""

from collections.abc import Sequence
from typing import Any

import keras  # noqa: TID253  (this module is imported inside functions only)
import numpy as np

from plumbline.network.layers.initial import RandomSigns, uniform


@keras.saving.register_keras_serializable(package="plumbline")
class MembersDense(keras.layers.Layer):
    """The first layer of an ensemble: from the features (n, d) to (n, members, units).

    Member i computes (x ∘ r_i) K + b, with `outer_scale` ((x ∘ r_i) K) ∘ s_i + b_i. It is done
    as one product of x with the members' scaled kernels side by side: no copy of x is made for
    each member.

    chunks: columns of x that share one scale, in order: those that one feature was embedded in.
        They add up to d.
    signs: r starts at -1 or 1 at random, as suits features that were not embedded; else it is
        drawn from the standard normal distribution.
    """

    def __init__(
        self,
        units: int,
        members: int,
        chunks: Sequence[int],
        *,
        signs: bool = False,
        outer_scale: bool = False,
        **options: Any,
    ):
        super().__init__(**options)
        self.units, self.members = units, members
        self.chunks = [int(one) for one in chunks]
        self.signs, self.outer_scale = signs, outer_scale
        self._chunk = np.repeat(np.arange(len(self.chunks)), self.chunks).astype(np.int32)

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[-1], self.units)
        self.kernel, self.bias = _dense(self, shape, self.members if self.outer_scale else None)
        self.inner = self.add_weight(
            name="inner_scale",
            shape=(self.members, len(self.chunks)),
            initializer=RandomSigns() if self.signs else keras.initializers.RandomNormal(stddev=1),
        )
        if self.outer_scale:
            self.outer = self.add_weight(
                name="outer_scale", shape=(self.members, self.units), initializer="ones"
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        scale = ops.transpose(ops.take(self.inner, self._chunk, axis=1))
        kernels = scale[:, :, None] * self.kernel[:, None, :]
        if self.outer_scale:
            kernels = kernels * self.outer
        product = ops.matmul(inputs, ops.reshape(kernels, (-1, self.members * self.units)))
        return ops.reshape(product, (-1, self.members, self.units)) + self.bias

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int, int]:
        return (input_shape[0], self.members, self.units)

    def get_config(self) -> dict[str, Any]:
        names = ("units", "members", "chunks", "signs", "outer_scale")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="plumbline")
class EnsembleDense(keras.layers.Layer):
    """A further layer: from (n, members, d) to (n, members, units).

    All members share the kernel. With `scales` member i computes ((x ∘ r_i) K) ∘ s_i + b_i, with
    r and s of ones to begin with (TabM); without, x K + b (TabM-mini).
    """

    def __init__(self, units: int, *, scales: bool = False, **options: Any):
        super().__init__(**options)
        self.units, self.scales = units, scales

    def build(self, input_shape: Any) -> None:
        _, members, columns = input_shape
        self.kernel, self.bias = _dense(
            self, (columns, self.units), members if self.scales else None
        )
        if self.scales:
            self.inner = self.add_weight(
                name="inner_scale", shape=(members, columns), initializer="ones"
            )
            self.outer = self.add_weight(
                name="outer_scale", shape=(members, self.units), initializer="ones"
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        _, members, columns = inputs.shape
        scaled = inputs * self.inner if self.scales else inputs
        # One product of two matrices: over three axes it would be one for every row.
        product = ops.matmul(ops.reshape(scaled, (-1, columns)), self.kernel)
        product = ops.reshape(product, (-1, members, self.units))
        return (product * self.outer if self.scales else product) + self.bias

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "scales": self.scales}


@keras.saving.register_keras_serializable(package="plumbline")
class MemberHeads(keras.layers.Layer):
    """A last layer of its own for each member: from (n, members, d) to (n, members, units)."""

    def __init__(self, units: int, **options: Any):
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: Any) -> None:
        _, members, columns = input_shape
        self.kernel = self.add_weight(
            name="kernel", shape=(members, columns, self.units), initializer=uniform(columns)
        )
        self.bias = self.add_weight(
            name="bias", shape=(members, self.units), initializer=uniform(columns)
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        return keras.ops.einsum("nmd,mdu->nmu", inputs, self.kernel) + self.bias

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def _dense(layer: Any, shape: tuple[int, int], members: int | None) -> tuple[Any, Any]:
    """The kernel, and a bias that the members share, or one for each of them."""
    kernel = layer.add_weight(name="kernel", shape=shape, initializer=uniform(shape[0]))
    bias = (shape[1],) if members is None else (members, shape[1])
    return kernel, layer.add_weight(name="bias", shape=bias, initializer=uniform(shape[0]))
