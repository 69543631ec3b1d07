"""dense: fully connected layers with batch normalization and dropout."""

from typing import Any

from plumbline.network.architectures.features import features, inputs, raw_outputs
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table


def untrained(table: Table, outputs: int, recipe: Recipe) -> Any:
    """Each hidden layer is Dense without bias (He normal: He et al. 2015), batch normalization
    before the nonlinearity (Ioffe and Szegedy 2015), ReLU and dropout. Without batch
    normalization it has a bias instead.
    """
    import keras

    given = inputs(table)
    hidden = features(given, table, recipe)
    for number, (width, rate) in enumerate(zip(recipe.widths, recipe.dropout, strict=True), 1):
        hidden = _block(hidden, number, width, rate, recipe)
    return keras.Model(given, raw_outputs(hidden, outputs), name="dense")


def _block(hidden: Any, number: int, width: int, rate: float, recipe: Recipe) -> Any:
    import keras

    hidden = keras.layers.Dense(
        width,
        use_bias=not recipe.batch_normalization,  # which adds its own
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(recipe.l2) if recipe.l2 else None,
        name=f"hidden_{number}",
    )(hidden)
    if recipe.batch_normalization:
        hidden = keras.layers.BatchNormalization(name=f"normalization_{number}")(hidden)
    hidden = keras.layers.Activation("relu", name=f"relu_{number}")(hidden)
    return keras.layers.Dropout(rate, name=f"dropout_{number}")(hidden)
