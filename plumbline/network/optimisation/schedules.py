"""The course of the learning rate over a training: a factor of its height for every step."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from plumbline.network.loop.epochs import Rates
from plumbline.network.recipe import Recipe

CYCLE_EPOCHS = 4
"""Epochs of one rise and fall of `cyclical`: half a cycle of two epochs is the shortest that
Smith (Cyclical Learning Rates for Training Neural Networks, 2017) recommends."""

LOWEST = 0.1
"""Where `cyclical` turns round."""

FIRST = 1 / 25
"""Where `one_cycle` starts (fastai's `fit_one_cycle`)."""


def rates(recipe: Recipe) -> Rates:
    """Factors of the learning rate by epoch (counted from 0) and its number of steps.

    They follow from the epoch alone, so that a resumed training takes up the same course. A
    course that ends is laid over `max_epochs`, whether or not training stops before.
    """

    def factors(epoch: int, steps: int) -> np.ndarray:
        # A step is taken at its end: a warm-up's first step is not at rate 0.
        passed = epoch + np.arange(1, steps + 1) / steps
        if recipe.schedule == "cyclical":
            return cyclical(passed)
        return COURSES[recipe.schedule](passed / recipe.max_epochs, recipe.warmup)

    return factors


def constant(share: np.ndarray, _warmup: float = 0) -> np.ndarray:
    """1 throughout. With `plateau` it is a callback that lowers the height."""
    return np.ones_like(share)


def cosine(share: np.ndarray, warmup: float) -> np.ndarray:
    """Rises from 0 over `warmup`, then falls to 0 along half a cosine (SGDR: Loshchilov and
    Hutter 2017, without restarts).

    share: of all steps, in (0, 1]: shape (steps,).
    """
    rise = share / warmup if warmup else np.ones_like(share)
    return np.where(share < warmup, rise, _fall((share - warmup) / (1 - warmup)))


def one_cycle(share: np.ndarray, warmup: float) -> np.ndarray:
    """Rises from `FIRST` over `warmup`, then falls to 0, both along half a cosine (Smith and
    Topin, Super-Convergence, 2018, in fastai's form). Momentum stays as it is.
    """
    rise = 1 - (1 - FIRST) * _fall(share / warmup) if warmup else np.ones_like(share)
    return np.where(share < warmup, rise, _fall((share - warmup) / (1 - warmup)))


def flat_cosine(share: np.ndarray, _warmup: float = 0) -> np.ndarray:
    """1 for the first half, then down to 0 along half a cosine (RealMLP's `flat_cos`:
    Holzmüller et al. 2024).
    """
    return _fall(2 * share - 1)


def coslog(share: np.ndarray, _warmup: float = 0) -> np.ndarray:
    """½ (1 - cos(2π log₂(1 + 15 share))): four waves, each twice as long as the last
    (RealMLP: Holzmüller et al. 2024).
    """
    return (1 - np.cos(2 * np.pi * np.log2(1 + 15 * share))) / 2


def cyclical(epochs: np.ndarray) -> np.ndarray:
    """A triangle between `LOWEST` and 1, from below, `CYCLE_EPOCHS` long (`triangular`: Smith
    2017). epochs: passed so far, parts included.
    """
    place = epochs / CYCLE_EPOCHS % 1
    return LOWEST + (1 - LOWEST) * (1 - np.abs(2 * place - 1))


def _fall(share: np.ndarray) -> np.ndarray:
    return (1 + np.cos(np.pi * np.clip(share, 0, 1))) / 2


COURSES: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = MappingProxyType(
    {
        "constant": constant,
        "plateau": constant,
        "cosine": cosine,
        "one_cycle": one_cycle,
        "flat_cosine": flat_cosine,
        "coslog": coslog,
    }
)
