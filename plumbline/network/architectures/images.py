"""From an image to a row of columns: a small convolutional network."""

import math
from collections.abc import Sequence
from typing import Any

from plumbline.errors import SpecError
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table, image_input

FIRST, MOST = 16, 128
"""Filters of the first block; each later one has twice as many, up to the most (counts)."""

SMALLEST, DEEPEST = 4, 5
"""Blocks are added until an image has so few rows or columns, and so many at most (counts)."""

GROUPS = 8
"""Of channels that are normalized together (count)."""

SHIFT, TURN = 0.1, 0.05
"""Furthest shift, as a share of height and width, and furthest turn, as a share of a circle."""


def branch(
    given: dict[str, Any],
    table: Table,
    recipe: Recipe,
    name: str,
    filters: Sequence[int] | None = None,
) -> Any:
    """The image column `name` as columns: (n, filters[-1]).

    Pixels become 0 to 1 and, in training only, what `recipe.augmentation` makes of them. Each
    block is then Conv2D 3 x 3 with stride 2 and without bias (He normal: He et al. 2015), group
    normalization (Wu and He 2018) and ReLU; at the end stands the mean of each channel. Groups
    are normalized image by image, so that passes of fewer rows answer alike.

    Raises:
        SpecError: there is no such image column.
    """
    import keras

    image = keras.layers.Rescaling(1 / 255, dtype="float32", name=f"from_0_to_1_of_{name}")(
        given[image_input(_known(table, name))]
    )
    for layer in augmentations(table, recipe, name):
        image = layer(image)
    for number, width in enumerate(filters or default_filters(table.images[name]), 1):
        image = _block(image, width, recipe.l2, f"{number}_of_{name}")
    return keras.layers.GlobalAveragePooling2D(name=f"mean_of_{name}")(image)


def augmentations(table: Table, recipe: Recipe, name: str) -> list[Any]:
    """Keras' layers for `recipe.augmentation`, each with a seed of its own.

    They compute in float32 in every precision: TensorFlow has no narrower ones on a GPU.
    """
    from keras import layers

    place = list(table.images).index(name)
    made = []
    for number, kind in enumerate(recipe.augmentation):
        shared: dict[str, Any] = {
            "seed": (recipe.seed + 1000 * place + number) % 2**31,
            "dtype": "float32",
            "name": f"{kind}_of_{name}",
        }
        match kind:
            case "flip_horizontal" | "flip_vertical":
                made.append(layers.RandomFlip(kind.removeprefix("flip_"), **shared))
            case "shift":
                made.append(layers.RandomTranslation(SHIFT, SHIFT, "nearest", **shared))
            case "rotate":
                made.append(layers.RandomRotation(TURN, "nearest", **shared))
    return made


def default_filters(shape: tuple[int, ...]) -> list[int]:
    """Filters of each block, for an image of so many rows and columns."""
    blocks = math.ceil(math.log2(min(shape[:2]) / SMALLEST))
    return [min(MOST, FIRST * 2**one) for one in range(min(DEEPEST, max(1, blocks)))]


def _block(image: Any, width: int, l2: float, name: str) -> Any:
    import keras

    image = keras.layers.Conv2D(
        width,
        3,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        name=f"convolution_{name}",
    )(image)
    groups = math.gcd(GROUPS, width)
    image = keras.layers.GroupNormalization(groups, name=f"normalization_{name}")(image)
    return keras.layers.Activation("relu", name=f"relu_{name}")(image)


def _known(table: Table, name: str) -> str:
    if name not in table.images:
        raise SpecError(
            f"the architecture asks for image {name!r}",
            expected=f"one of {', '.join(table.images) or 'none: source.images is empty'}",
            remedy="declare it under source.images, or correct the name",
        )
    return name
