"""Numbers as the cosines of learnt multiples of themselves."""

import math
from typing import Any

import keras  # noqa: TID253  (this module is imported inside functions only)

FREQUENCIES = 16
"""Cosines of each number before they are mixed (count)."""


@keras.saving.register_keras_serializable(package="plumbline")
class PeriodicEmbedding(keras.layers.Layer):
    """Each number beside a linear mixture of cosines: concat(x, cos(2πxw + b) V + c).

    From (n, d) to (n, d · width): `width` columns for each number, the first is the number.
    This is PBLD of Holzmüller et al., Better by Default (2024), after the periodic embeddings
    of Gorishniy et al., On Embeddings for Numerical Features (2022).

    width: 2 at least. spread: standard deviation of the initial w; larger ones start with finer
    steps of the number. pace: factor of the learning rate for these weights; see `layers.realmlp`.
    """

    def __init__(
        self,
        width: int,
        frequencies: int = FREQUENCIES,
        spread: float = 0.1,
        pace: float = 1.0,
        **kwargs: Any,
    ):
        # Cosines of many turns need more digits than bfloat16 has.
        super().__init__(autocast=False, **kwargs)
        self.width = width
        self.frequencies = frequencies
        self.spread = spread
        self.pace = pace

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        numbers, count, mixed = input_shape[-1], self.frequencies, self.width - 1
        spread, half_turn = self.spread / self.pace, math.pi / self.pace
        edge = 1 / math.sqrt(count) / self.pace
        normal, uniform = keras.initializers.RandomNormal, keras.initializers.RandomUniform
        self.frequency = self._weight("frequency", (numbers, count), normal(stddev=spread))
        self.phase = self._weight("phase", (numbers, count), uniform(-half_turn, half_turn))
        self.mixture = self._weight("mixture", (numbers, count, mixed), uniform(-edge, edge))
        self.offset = self._weight("offset", (numbers, mixed), uniform(-edge, edge))

    def _weight(self, name: str, shape: tuple[Any, ...], initializer: Any) -> Any:
        return self.add_weight(shape, initializer, name=name, autocast=False)

    def call(self, inputs: Any) -> Any:
        ops: Any = keras.ops
        numbers = ops.cast(inputs, "float32")[:, :, None]
        turns = 2 * math.pi * self.pace * self.frequency
        waves = ops.cos(numbers * turns + self.pace * self.phase)
        mixed = ops.einsum("nif,ifw->niw", waves, self.pace * self.mixture)
        mixed = mixed + self.pace * self.offset
        whole = ops.cast(ops.concatenate([numbers, mixed], axis=-1), self.compute_dtype)
        return ops.reshape(whole, (-1, self.width * inputs.shape[-1]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.width * (input_shape[-1] or 0))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "width": self.width,
            "frequencies": self.frequencies,
            "spread": self.spread,
            "pace": self.pace,
        }
