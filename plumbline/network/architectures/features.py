"""From a table's inputs to one row of features: shared by all architectures, open to yours."""

from collections.abc import Sequence
from typing import Any

from plumbline.network.recipe import Recipe
from plumbline.network.table import Table, image_input

WIDEST_EMBEDDING = 50


def inputs(table: Table) -> dict[str, Any]:
    """numeric (n, d) float32, codes (n, c) int32 and, for each image column, image_NAME (n,
    height, width, channels) uint8, as every network is fed.
    """
    import keras

    return {
        "numeric": keras.Input((len(table.numeric_names),), dtype="float32", name="numeric"),
        "codes": keras.Input((len(table.cardinalities),), dtype="int32", name="codes"),
        **{
            image_input(name): keras.Input(shape, dtype="uint8", name=image_input(name))
            for name, shape in table.images.items()
        },
    }


def features(given: dict[str, Any], table: Table, recipe: Recipe) -> Any:
    """Embedded numbers, embedded categories and images side by side: (n, columns).

    given: the tensors, as `inputs` makes them.
    """
    parts = []
    if table.numeric_names or not table.cardinalities:
        parts.append(numbers(given["numeric"], table, recipe))
    if table.cardinalities:
        parts.append(categories(given["codes"], table, recipe))
    return joined([*parts, *images(given, table, recipe)], "features")


def images(given: dict[str, Any], table: Table, recipe: Recipe) -> list[Any]:
    """Each image column as `image` has it."""
    return [image(given, table, recipe, name) for name in table.images]


def image(
    given: dict[str, Any],
    table: Table,
    recipe: Recipe,
    name: str,
    filters: Sequence[int] | None = None,
) -> Any:
    """An image column through a small convolutional network: (n, filters[-1]).

    filters: of each of its blocks (count). In training, images are augmented as
    `recipe.augmentation` says. See `plumbline/network/architectures/images.py`.

    Raises:
        SpecError: there is no such image column.
    """
    from plumbline.network.architectures.images import branch

    return branch(given, table, recipe, name, filters)


def numbers(numeric: Any, table: Table, recipe: Recipe, *, pace: float = 1.0) -> Any:
    """Numbers as `recipe.numeric_embedding` has it: (n, columns).

    Indicators, and other numbers of two values, get no intervals. pace: of the weights of a
    periodic embedding, as a factor of the learning rate.
    """
    if recipe.numeric_embedding == "none" or not table.numeric_names:
        return numeric
    if recipe.numeric_embedding == "periodic":
        from plumbline.network.layers.periodic import PeriodicEmbedding

        return PeriodicEmbedding(recipe.embedding_width, pace=pace, name="periodic")(numeric)
    from plumbline.network.layers.piecewise_linear import PiecewiseLinearEmbedding

    edges = [
        [] if two_valued else table.edges(column, recipe.bins).tolist()
        for column, two_valued in enumerate(table.two_valued)
    ]
    return PiecewiseLinearEmbedding(edges, recipe.embedding_width, name="piecewise")(numeric)


def categories(codes: Any, table: Table, recipe: Recipe) -> Any:
    """Categories as `recipe.category_embedding` has it: (n, columns)."""
    if recipe.category_embedding == "one_hot":
        from plumbline.network.layers.category import OneHotCategories

        return OneHotCategories(table.cardinalities, name="one_hot")(codes)
    from plumbline.network.layers.category import CodeEmbedding

    vectors = [
        CodeEmbedding(size, embedding_width(size), name=f"embedding_{column}")(codes[:, column])
        for column, size in enumerate(table.cardinalities)
    ]
    return joined(vectors, "embedded_categories")


def embedding_width(cardinality: int) -> int:
    """Columns that a category of so many codes is embedded in.

    1.6 · cardinality^0.56, fastai's rule of thumb (`fastai.tabular.model.emb_sz_rule`), at
    most 50 as in Guo and Berkhahn, Entity Embeddings of Categorical Variables (2016).
    """
    return min(WIDEST_EMBEDDING, round(1.6 * cardinality**0.56))


def joined(parts: list[Any], name: str) -> Any:
    """Tensors of shape (n, any) side by side."""
    import keras

    return keras.layers.Concatenate(name=name)(parts) if len(parts) > 1 else parts[0]


def raw_outputs(hidden: Any, outputs: int) -> Any:
    """The last layer: (n, outputs), without activation.

    Where the hidden activations are near 1, weights of about .01/√width give raw outputs of
    about .01: the untrained network says 1/2, as the smoke test expects.
    """
    import keras

    small: Any = keras.initializers.VarianceScaling(1e-4, mode="fan_in")
    return keras.layers.Dense(outputs, kernel_initializer=small, name="raw_outputs")(hidden)
