"""tabm and tabm_mini: an ensemble of networks that share their kernels.

Gorishniy, Kotelnikov, Babenko: TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling (2024).
"""

from typing import Any

from plumbline.network.architectures.features import embedding_width, features, inputs
from plumbline.network.architectures.images import default_filters
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table


def untrained(table: Table, outputs: int, recipe: Recipe) -> Any:
    """`recipe.members` networks of Dense, ReLU and dropout: raw outputs (n, members, outputs).

    tabm_mini: each member scales its features, and has a last layer of its own. tabm: each
    scales what goes into and what comes out of every layer, too, and has its own biases.
    """
    import keras

    from plumbline.network.layers.ensemble import EnsembleDense, MemberHeads, MembersDense

    full = recipe.architecture == "tabm"
    given = inputs(table)
    hidden: Any = features(given, table, recipe)
    layers: list[Any] = [
        MembersDense(
            recipe.widths[0],
            recipe.members,
            chunks(table, recipe),
            signs=recipe.numeric_embedding == "none",
            outer_scale=full,
            name="hidden_1",
        ),
        *(
            EnsembleDense(width, scales=full, name=f"hidden_{number}")
            for number, width in enumerate(recipe.widths[1:], 2)
        ),
    ]
    for number, (layer, rate) in enumerate(zip(layers, recipe.dropout, strict=True), 1):
        hidden = keras.layers.Activation("relu", name=f"relu_{number}")(layer(hidden))
        if rate:
            hidden = keras.layers.Dropout(rate, name=f"dropout_{number}")(hidden)
    raw = MemberHeads(outputs, name="raw_outputs")(hidden)
    return keras.Model(given, raw, name=recipe.architecture)


def chunks(table: Table, recipe: Recipe) -> list[int]:
    """Columns of `features` that each feature became, in their order (counts)."""
    width, embedded = recipe.embedding_width, len(table.numeric_names)
    plain = 0
    if recipe.numeric_embedding == "none":
        embedded, plain = 0, embedded
    elif recipe.numeric_embedding == "piecewise_linear":
        plain = sum(table.two_valued)
        embedded -= plain
    one_hot = recipe.category_embedding == "one_hot"
    categories = [one if one_hot else embedding_width(one) for one in table.cardinalities]
    images = [default_filters(shape)[-1] for shape in table.images.values()]
    return [width] * embedded + [1] * plain + categories + images
