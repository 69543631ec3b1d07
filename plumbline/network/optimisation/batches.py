"""Rows per step, epoch by epoch."""

from collections.abc import Callable

from plumbline.network.recipe import Recipe


def batch_sizes(recipe: Recipe) -> Callable[[int], int]:
    """Rows per step of an epoch, counted from 0."""
    phases = recipe.batch_size
    if isinstance(phases, int):
        return lambda _: phases

    def size(epoch: int) -> int:
        share = epoch / recipe.max_epochs
        return next(phase.size for phase in phases if share < phase.until)

    return size
