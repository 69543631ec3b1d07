"""realmlp: three layers, and a good deal of care (Holzmüller et al., Better by Default, 2024)."""

from typing import Any

from plumbline.network.architectures.features import (
    categories,
    images,
    inputs,
    joined,
    numbers,
)
from plumbline.network.recipe import Recipe
from plumbline.network.table import GRID, Table
from plumbline.normalization.matrix import FIRST_VALUE

MOST_ONE_HOT = FIRST_VALUE + 9
"""Codes of a category that gets a column for each: 9 values, unknown and missing."""

EMBEDDING_PACE = 0.1
"""Of periodic embeddings' weights; see `layers.realmlp`."""

VECTOR = 8
"""Columns that other categories are embedded in."""


def untrained(table: Table, outputs: int, recipe: Recipe) -> Any:
    """Numbers are centred on their median, scaled by their quartiles and clipped smoothly.

    Embedded and beside the categories they pass a learnt scale, then hidden layers in the
    neural tangent parametrization, each with a parametric activation. Weights begin as in the
    paper's simpler variant, RealMLP-TD-S, which needs no rows for it.
    """
    import keras

    from plumbline.network.layers.realmlp import FrontScale, TangentDense

    given = inputs(table)
    parts = []
    if table.numeric_names or not table.cardinalities:
        robust = _robust(given["numeric"], table)
        parts.append(numbers(robust, table, recipe, pace=EMBEDDING_PACE))
    if table.cardinalities:
        parts += _categories(given["codes"], table, recipe)
    parts += images(given, table, recipe)
    hidden = FrontScale(name="front_scale")(joined(parts, "features"))
    for number, (width, rate) in enumerate(zip(recipe.widths, recipe.dropout, strict=True), 1):
        hidden = _block(hidden, number, width, rate, recipe.hidden_activation)
    raw = TangentDense(outputs, zero=True, name="raw_outputs")(hidden)
    return keras.Model(given, raw, name="realmlp")


def _block(hidden: Any, number: int, width: int, rate: float, activation: str) -> Any:
    import keras

    from plumbline.network.layers.realmlp import ParametricActivation, TangentDense

    hidden = TangentDense(width, name=f"hidden_{number}")(hidden)
    hidden = ParametricActivation(activation, name=f"activation_{number}")(hidden)
    return keras.layers.Dropout(rate, name=f"dropout_{number}")(hidden)


def _categories(codes: Any, table: Table, recipe: Recipe) -> list[Any]:
    """Learned ones as in the paper: of few values one-hot, of more a vector of 8."""
    from plumbline.network.layers.category import CategoryEmbedding, OneHotCategories

    sizes = table.cardinalities
    if recipe.category_embedding == "one_hot":
        return [categories(codes, table, recipe)]
    parts = []
    for few, layer in (
        (True, lambda taken: OneHotCategories(taken, name="one_hot")),
        (False, lambda taken: CategoryEmbedding(taken, VECTOR, name="embedded_categories")),
    ):
        chosen = [at for at, one in enumerate(sizes) if (one <= MOST_ONE_HOT) == few]
        if chosen:
            parts.append(layer([sizes[at] for at in chosen])(_columns(codes, chosen)))
    return parts


def _columns(codes: Any, chosen: list[int]) -> Any:
    import keras

    return keras.ops.take(codes, chosen, axis=1) if len(chosen) < codes.shape[1] else codes


def _robust(numeric: Any, table: Table) -> Any:
    import keras

    from plumbline.network.layers.realmlp import SmoothClip

    if not table.numeric_names:
        return numeric
    scale, offset = robust_scale(table)
    rescaling: Any = keras.layers.Rescaling  # its types know of single numbers only
    scaled = rescaling(scale, offset=offset, dtype="float32", name="robust_scale")(numeric)
    return SmoothClip(dtype="float32", name="smooth_clip")(scaled)


def robust_scale(table: Table) -> tuple[list[float], list[float]]:
    """Factor and offset of each number: from its median and quartiles to 0 and a width of 1.

    Where the quartiles are equal, half of the range becomes 1.
    """
    low, middle, high = (table.quantiles[:, GRID * one // 4] for one in (1, 2, 3))
    spread = high - low
    half_range = (table.quantiles[:, -1] - table.quantiles[:, 0]) / 2
    spread = [float(one or other or 1) for one, other in zip(spread, half_range, strict=True)]
    scale = [1 / one for one in spread]
    offset = [-float(one) * factor for one, factor in zip(middle, scale, strict=True)]
    return scale, offset
