"""resnet: residual blocks, each of which adds to what came before it."""

from typing import Any

from plumbline.network.architectures.features import features, inputs, raw_outputs
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table

EXPANSION = 2
"""Units inside a block for each of its width."""

MOMENTUM = 0.9
"""What the batch normalizations keep of their statistics at each step, as in the paper's code."""


def untrained(table: Table, outputs: int, recipe: Recipe) -> Any:
    """The ResNet of Gorishniy et al., Revisiting Deep Learning Models for Tabular Data (2021).

    Features become as many columns as the first of `recipe.widths`; each width is then a block,

        x + Dropout(Dense(Dropout(ReLU(Dense(BatchNorm(x))))))

    normalized before its first layer and not after the sum, with twice its width inside; at
    the end BatchNorm, ReLU and the last layer. The second dropout, on what a block adds, has
    half the first one's rate.
    """
    import keras

    given = inputs(table)
    width = recipe.widths[0]
    stream = keras.layers.Dense(width, name="stem")(features(given, table, recipe))
    for number, (size, rate) in enumerate(zip(recipe.widths, recipe.dropout, strict=True), 1):
        added = _block(stream, number, EXPANSION * size, rate, recipe.l2)
        stream = keras.layers.Add(name=f"sum_{number}")([stream, added])
    stream = keras.layers.BatchNormalization(momentum=MOMENTUM, name="normalization")(stream)
    stream = keras.layers.Activation("relu", name="relu")(stream)
    return keras.Model(given, raw_outputs(stream, outputs), name="resnet")


def _block(stream: Any, number: int, inside: int, rate: float, l2: float) -> Any:
    import keras

    def dense(units: int, name: str) -> Any:
        return keras.layers.Dense(
            units,
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name=f"{name}_{number}",
        )

    hidden = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"normalization_{number}")(
        stream
    )
    hidden = dense(inside, "hidden")(hidden)
    hidden = keras.layers.Activation("relu", name=f"relu_{number}")(hidden)
    hidden = keras.layers.Dropout(rate, name=f"dropout_{number}")(hidden)
    hidden = dense(stream.shape[-1], "added")(hidden)
    return keras.layers.Dropout(rate / 2, name=f"added_dropout_{number}")(hidden)
