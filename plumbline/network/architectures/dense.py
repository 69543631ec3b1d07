"""dense: fully connected layers with batch normalization and dropout."""

from typing import Any

from plumbline.network.recipe import Recipe
from plumbline.network.table import Table

WIDEST_EMBEDDING = 50


def embedding_width(cardinality: int) -> int:
    """Columns that a category of so many codes is embedded in.

    1.6 · cardinality^0.56, fastai's rule of thumb (`fastai.tabular.model.emb_sz_rule`), at
    most 50 as in Guo and Berkhahn, Entity Embeddings of Categorical Variables (2016).
    """
    return min(WIDEST_EMBEDDING, round(1.6 * cardinality**0.56))


def untrained(table: Table, outputs: int, recipe: Recipe) -> Any:
    """Each hidden layer is Dense without bias (He normal: He et al. 2015), batch normalization
    before the nonlinearity (Ioffe and Szegedy 2015), ReLU and dropout.
    """
    import keras

    numeric = keras.Input((len(table.numeric_names),), dtype="float32", name="numeric")
    codes = keras.Input((len(table.cardinalities),), dtype="int32", name="codes")
    features = [numeric, *_embedded(codes, table.cardinalities)]
    hidden = keras.layers.Concatenate(name="features")(features) if len(features) > 1 else numeric
    for number, (width, rate) in enumerate(zip(recipe.widths, recipe.dropout, strict=True), 1):
        hidden = _block(hidden, number, width, rate, recipe.l2)
    return keras.Model(
        {"numeric": numeric, "codes": codes}, _raw_outputs(hidden, outputs), name="dense"
    )


def _embedded(codes: Any, cardinalities: tuple[int, ...]) -> list[Any]:
    import keras

    return [
        keras.layers.Embedding(
            cardinality, embedding_width(cardinality), name=f"embedding_{column}"
        )(codes[:, column])
        for column, cardinality in enumerate(cardinalities)
    ]


def _block(hidden: Any, number: int, width: int, rate: float, l2: float) -> Any:
    import keras

    hidden = keras.layers.Dense(
        width,
        use_bias=False,  # batch normalization adds its own
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        name=f"hidden_{number}",
    )(hidden)
    hidden = keras.layers.BatchNormalization(name=f"normalization_{number}")(hidden)
    hidden = keras.layers.Activation("relu", name=f"relu_{number}")(hidden)
    return keras.layers.Dropout(rate, name=f"dropout_{number}")(hidden)


def _raw_outputs(hidden: Any, outputs: int) -> Any:
    import keras

    # He normal keeps the hidden activations near 1, so that weights of about .01/√width give
    # raw outputs of about .01: the untrained network says 1/2, as the smoke test expects.
    small: Any = keras.initializers.VarianceScaling(1e-4, mode="fan_in")
    return keras.layers.Dense(outputs, kernel_initializer=small, name="raw_outputs")(hidden)
