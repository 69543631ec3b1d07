"""How far the sides of a split lie apart in one feature, and how far chance would carry them."""

from dataclasses import dataclass

import numpy as np

from plumbline.audit.codes import Coded
from plumbline.audit.sample import BLOCKS, Sample
from plumbline.split.rows import SIDES, TRAIN


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One side against the training rows."""

    side: str
    effect: float
    """Kolmogorov-Smirnov distance of numbers, total variation of categories: 0 to 1. A missing
    value is below all numbers, and a category of its own."""
    chance: float
    """Effect that sound data exceeds with a probability of `rate` at most."""
    furthest: float | None
    """Largest effect of a part of the training rows against the rest of them, where the sides
    follow each other in time; None where they do not."""
    typical: tuple[int, ...]
    """Positions of the first rows of this side with the value whose share rose most."""


def shifts(coded: Coded, sample: Sample, rate: float, examples: int) -> tuple[Shift, ...]:
    """Val and test against train, each at the false-alarm rate `rate`."""
    counts = np.bincount(sample.sides * coded.size + coded.codes, minlength=3 * coded.size)
    counts = counts.reshape(3, coded.size).astype(np.float64)
    furthest = _furthest(coded, sample)
    return tuple(
        Shift(
            side=name,
            effect=distance(counts[TRAIN], counts[side], coded.ordered),
            chance=_chance(counts[[TRAIN, side]], sample.units, side, coded.ordered, rate),
            furthest=furthest,
            typical=_typical(coded, counts, sample, side, examples),
        )
        for side, name in enumerate(SIDES)
        if side != TRAIN and counts[side].any() and counts[TRAIN].any()
    )


def distance(one: np.ndarray, other: np.ndarray, ordered: bool) -> float:
    """Between two distributions by their counts per code: 0 to 1."""
    apart = one / one.sum() - other / other.sum()
    return float(np.abs(np.cumsum(apart)).max() if ordered else np.abs(apart).sum() / 2)


def _chance(
    counts: np.ndarray, units: tuple[float, ...], side: int, ordered: bool, rate: float
) -> float:
    """The effect that two samples of one distribution exceed with probability `rate` at most.

    Numbers: 2 exp(-2 m t²) of Massart (1990), The tight constant in the Dvoretzky-Kiefer-
    Wolfowitz inequality, with m = ab / (a + b), which holds for two samples of this size.
    Categories: the mean is at most half the sum of sqrt(p (1 - p) / m); McDiarmid (1989), On
    the method of bounded differences, gives exp(-2 m t²) for t above it.
    """
    a, b = units[TRAIN], units[side]
    m = a * b / (a + b)
    if ordered:
        return float(np.sqrt(np.log(2 / rate) / (2 * m)))
    p = counts.sum(axis=0) / counts.sum()
    return float(np.sqrt(p * (1 - p) / m).sum() / 2 + np.sqrt(np.log(1 / rate) / (2 * m)))


def _furthest(coded: Coded, sample: Sample) -> float | None:
    if sample.periods is None:
        return None
    cells = sample.periods * coded.size + coded.codes[sample.train]
    parts = np.bincount(cells, minlength=BLOCKS * coded.size).reshape(BLOCKS, coded.size)
    rest = parts.sum(axis=0) - parts
    found = [
        distance(part, others, coded.ordered)
        for part, others in zip(parts.astype(np.float64), rest.astype(np.float64), strict=True)
        if part.any() and others.any()
    ]
    return max(found, default=0.0)


def _typical(
    coded: Coded, counts: np.ndarray, sample: Sample, side: int, examples: int
) -> tuple[int, ...]:
    risen = counts[side] / counts[side].sum() - counts[TRAIN] / counts[TRAIN].sum()
    here = (sample.sides == side) & (coded.codes == int(risen.argmax()))
    return tuple(int(row) for row in sample.positions[np.flatnonzero(here)[:examples]])
