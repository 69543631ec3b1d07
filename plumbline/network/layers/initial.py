"""Weights to begin with."""

from typing import Any

import keras  # noqa: TID253  (this module is imported inside functions only)


def uniform(columns: int) -> Any:
    """Between ±1/√columns: PyTorch's rule for linear layers, which published results began with.

    An initializer of its own for every weight: one that is used twice draws the same twice.
    """
    return keras.initializers.RandomUniform(-(columns**-0.5), columns**-0.5)


@keras.saving.register_keras_serializable(package="plumbline")
class RandomSigns(keras.initializers.Initializer):
    """-1 or 1, each as often."""

    def __init__(self, seed: int | None = None):
        self.seed = seed

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        drawn = keras.random.uniform(shape, -1, 1, dtype="float32", seed=self.seed)
        return keras.ops.cast(keras.ops.where(drawn < 0, -1.0, 1.0), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}
