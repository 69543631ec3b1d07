"""Which images a network reads, and how many of them at a time."""

import math

from plumbline.errors import BundleError
from plumbline.network.architectures import Network
from plumbline.network.table import image_input
from plumbline.normalization.matrix import Matrix

BYTES = 16 * 2**20
"""Pixels of all rows in one call of a network, at most: what its layers make of them takes many
times as much (bytes)."""


def shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Height, width and channels of a network's images, by the names of its inputs."""
    return {one.name: tuple(one.shape[1:]) for one in network.inputs if one.dtype == "uint8"}


def rows_together(network: Network, most: int) -> int:
    """Rows for every call of a network: `most`, a power of two, or fewer where images are large.

    It follows from the network alone, so that a row's answer does, too.
    """
    size = sum(map(math.prod, shapes(network).values()))
    while most > 1 and most * size > BYTES:
        most //= 2
    return most


def require_images(matrix: Matrix, network: Network) -> None:
    """Refuse a matrix whose images are not the network's.

    Raises:
        BundleError: one is missing, added or of another shape.
    """
    wanted = shapes(network)
    found = {image_input(name): shape for name, shape in matrix.image_shapes.items()}
    if found != wanted:
        raise BundleError(
            f"the rows have the images {found or 'none'}",
            expected=f"{wanted or 'none'}: height, width and channels of each input",
            remedy="transform the rows with the model's own normalization",
        )
