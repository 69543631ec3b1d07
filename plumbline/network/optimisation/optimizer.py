"""The optimizer of a recipe."""

from typing import Any

from plumbline.network.recipe import Recipe


def optimizer(recipe: Recipe) -> Any:
    """A fresh `keras.optimizers.Optimizer`."""
    import keras

    return keras.optimizers.Adam(recipe.learning_rate)
