"""What the network is made of, before it has seen a row."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from plumbline.network import backend
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

Network = Any
"""A `keras.Model`. Keras ships no types, and those inferred from its defaults are wrong."""

WIDEST_EMBEDDING = 50


def embedding_width(cardinality: int) -> int:
    """Columns that a category of so many codes is embedded in.

    1.6 · cardinality^0.56, fastai's rule of thumb (`fastai.tabular.model.emb_sz_rule`), at
    most 50 as in Guo and Berkhahn, Entity Embeddings of Categorical Variables (2016).
    """
    return min(WIDEST_EMBEDDING, round(1.6 * cardinality**0.56))


def inputs(matrix: Matrix) -> dict[str, np.ndarray]:
    """The matrix as the network reads it: numeric (n, d) float32 and codes (n, c) int32."""
    return {"numeric": matrix.numeric, "codes": matrix.codes}


def untrained(numeric_width: int, cardinalities: Sequence[int], options: NetworkSpec) -> Network:
    """Fully connected layers over the numeric inputs and one embedding per category.

    Each hidden layer is Dense without bias (He normal: He et al. 2015), batch normalization
    before the nonlinearity (Ioffe and Szegedy 2015), ReLU and dropout. The output is the
    probability of label 1, shape (n, 1).

    numeric_width: columns of `Matrix.numeric`; may be 0.
    cardinalities: codes per column of `Matrix.codes`, unknown and missing included; may be
        empty, but not when `numeric_width` is 0.
    """
    backend.prepare()
    import keras

    numeric = keras.Input((numeric_width,), dtype="float32", name="numeric")
    codes = keras.Input((len(cardinalities),), dtype="int32", name="codes")
    features = [numeric, *_embedded(codes, cardinalities)]
    hidden = keras.layers.Concatenate(name="features")(features) if len(features) > 1 else numeric
    for number, (width, rate) in enumerate(zip(options.widths, options.dropout, strict=True), 1):
        hidden = _block(hidden, number, width, rate, options.l2)
    return keras.Model({"numeric": numeric, "codes": codes}, _probability(hidden), name="dense")


def _embedded(codes: Any, cardinalities: Sequence[int]) -> list[Any]:
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
        kernel_regularizer=keras.regularizers.L2(l2),
        name=f"hidden_{number}",
    )(hidden)
    hidden = keras.layers.BatchNormalization(name=f"normalization_{number}")(hidden)
    hidden = keras.layers.Activation("relu", name=f"relu_{number}")(hidden)
    return keras.layers.Dropout(rate, name=f"dropout_{number}")(hidden)


def _probability(hidden: Any) -> Any:
    import keras

    # He normal keeps the hidden activations near 1, so that weights of about .01/√width give
    # logits of about .01: the untrained network says 1/2, as the smoke test expects.
    small: Any = keras.initializers.VarianceScaling(1e-4, mode="fan_in")
    return keras.layers.Dense(
        1, activation="sigmoid", kernel_initializer=small, name="probability"
    )(hidden)
