"""The parts of RealMLP (Holzmüller, Grinsztajn, Steinwart: Better by Default, 2024).

The paper gives each kind of weight a learning rate of its own, in proportion to one. Here a
weight that should move at `pace` times the learning rate is stored divided by `pace` and used
multiplied by it: under Adam, whose steps do not depend on a gradient's size, that is the same.
"""

import math
from typing import Any

import keras  # noqa: TID253  (this module is imported inside functions only)


@keras.saving.register_keras_serializable(package="plumbline")
class SmoothClip(keras.layers.Layer):
    """x / √(1 + (x / reach)²): nearly x in the middle, never beyond ± `reach`."""

    def __init__(self, reach: float = 3.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.reach = reach

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        return inputs * ops.rsqrt(1 + ops.square(inputs / self.reach))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reach": self.reach}


@keras.saving.register_keras_serializable(package="plumbline")
class FrontScale(keras.layers.Layer):
    """A learnt factor of each column, 1 to begin with: a soft choice of features."""

    def __init__(self, pace: float = 6.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.pace = pace

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        start = keras.initializers.Constant(1 / self.pace)
        self.scale: Any = self.add_weight((input_shape[-1],), start, name="scale")

    def call(self, inputs: Any) -> Any:
        return inputs * (self.pace * self.scale)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pace": self.pace}


@keras.saving.register_keras_serializable(package="plumbline")
class TangentDense(keras.layers.Layer):
    """xW / √inputs + b, with W and b standard normal: the neural tangent parametrization.

    Jacot, Gabriel, Hongler (2018). One learning rate suits every width. From (n, inputs) to
    (n, units).

    pace: of the bias. zero: begin with W and b at 0, as a last layer does.
    """

    def __init__(self, units: int, pace: float = 0.1, *, zero: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.pace = pace
        self.zero = zero

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inputs = input_shape[-1] or 1
        self.factor = 1 / math.sqrt(inputs)
        self.kernel: Any = self.add_weight((inputs, self.units), self._start(1), name="kernel")
        self.bias: Any = self.add_weight((self.units,), self._start(1 / self.pace), name="bias")

    def _start(self, deviation: float) -> Any:
        return "zeros" if self.zero else keras.initializers.RandomNormal(stddev=deviation)

    def call(self, inputs: Any) -> Any:
        product: Any = keras.ops.matmul(inputs, self.kernel)
        return self.factor * product + self.pace * self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "pace": self.pace,
            "zero": self.zero,
        }


@keras.saving.register_keras_serializable(package="plumbline")
class ParametricActivation(keras.layers.Layer):
    """x + a (f(x) - x) with a learnt share `a` for each column, 1 to begin with.

    activation: name of one of Keras' activations, f.
    """

    def __init__(self, activation: str, pace: float = 0.1, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activation
        self.pace = pace

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        start = keras.initializers.Constant(1 / self.pace)
        self.share: Any = self.add_weight((input_shape[-1],), start, name="share")

    def call(self, inputs: Any) -> Any:
        bent = keras.activations.get(self.activation)(inputs)
        return inputs + (self.pace * self.share) * (bent - inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation, "pace": self.pace}
