"""linear: one weight per column and class, the floor that any network has to beat."""

from typing import Any

from plumbline.network.architectures.features import features, inputs
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table


def untrained(table: Table, outputs: int, recipe: Recipe) -> Any:
    """Numbers and one-hot categories into one Dense layer: logistic, softmax or linear
    regression, with an L2 penalty where the recipe says so.
    """
    import keras

    given = inputs(table)
    raw = keras.layers.Dense(
        outputs,
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(recipe.l2) if recipe.l2 else None,
        name="raw_outputs",
    )(features(given, table, recipe))
    return keras.Model(given, raw, name="linear")
