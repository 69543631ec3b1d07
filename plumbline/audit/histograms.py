"""Histograms of one feature by side of the split, and of its training rows by label."""

from dataclasses import dataclass, replace

import numpy as np

from plumbline.audit.codes import Coded
from plumbline.audit.sample import Sample
from plumbline.split.rows import SIDES

BARS = 40
"""Bars of a number with many values (count)."""

FEW = 8
"""Values up to which each has a bar of its own (count)."""

_CLIPPED = 0.005
"""Share of the rows at each end that is left out where it would squeeze all others."""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of sampled rows per bar."""

    names: tuple[str, ...]
    """Values by bar; empty where bars are intervals of one width."""
    low: float | None
    high: float | None
    """Ends of the first and last interval; None where bars have names."""
    last: float | None
    """Greatest value that the last interval can hold: one less than its end for integers."""
    by_side: dict[str, tuple[int, ...]]
    """Rows per bar of train, val and test."""
    by_label: dict[str, tuple[int, ...]]
    """Training rows per bar of each group of the label."""
    beyond: int
    """Rows with a value outside all bars."""


def of_numbers(values: np.ndarray, ordered: np.ndarray, coded: Coded, sample: Sample) -> Histogram:
    """`values`: float64, NaN for missing; `ordered`: without NaN, ascending."""
    if coded.exact and coded.size - 1 <= FEW:
        named = ordered[np.append(ordered[1:] != ordered[:-1], True)] if len(ordered) else ordered
        return _named(coded, tuple(f"{value:.6g}" for value in named), sample)
    low, high, bars, last = _bars(ordered[np.isfinite(ordered)])
    with np.errstate(invalid="ignore"):
        inside = (values >= low) & (values <= high)
    # Halves, because the range of float64 is wider than float64.
    place = (np.where(inside, values, low) / 2 - low / 2) / (high / 2 - low / 2) * bars
    bar = np.where(inside, np.minimum(place, bars - 1), bars).astype(np.int64)
    by_side, by_label = _counts(bar, bars + 1, sample)
    return Histogram(
        names=(),
        low=low,
        high=high,
        last=last,
        by_side={name: counts[:-1] for name, counts in by_side.items()},
        by_label={name: counts[:-1] for name, counts in by_label.items()},
        beyond=len(ordered) - int(np.count_nonzero(inside)),
    )


def of_categories(coded: Coded, names: list[str], sample: Sample) -> Histogram:
    """The commonest values, then all others together; few that are all numbers by size."""
    if len(names) <= FEW and coded.exact and all(map(_is_number, names)):
        order = sorted(range(len(names)), key=lambda at: float(names[at]))
        places = np.zeros(coded.size, dtype=np.int64)
        places[np.array(order, dtype=np.int64) + 1] = np.arange(1, len(names) + 1)
        coded = replace(coded, codes=places[coded.codes])
        names = [names[at] for at in order]
    return _named(coded, tuple(names), sample)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _named(coded: Coded, names: tuple[str, ...], sample: Sample) -> Histogram:
    """A bar per code, from 1 on; beyond `FEW`, one for the rest; missing values last."""
    shown, rest = names[:FEW], coded.size - 1 > FEW
    bars = len(shown) + rest
    place = np.full(coded.size, bars - 1, dtype=np.int64)
    place[1 : len(shown) + 1] = np.arange(len(shown))
    place[0] = bars
    by_side, by_label = _counts(place[coded.codes], bars + 1, sample)
    missing = bool((coded.codes == 0).any())
    names = (*shown, *(["all others"] if rest else []), *(["missing"] if missing else []))
    return Histogram(
        names=names,
        low=None,
        high=None,
        last=None,
        by_side={name: counts[: len(names)] for name, counts in by_side.items()},
        by_label={name: counts[: len(names)] for name, counts in by_label.items()},
        beyond=0,
    )


def _bars(ordered: np.ndarray) -> tuple[float, float, int, float]:
    """Ends, number and last value of the bars; each holds as many integers, if all are."""
    if not len(ordered):
        return 0.0, 1.0, 1, 1.0
    low, high = _ends(ordered)
    if abs(low) < 2**52 and abs(high) < 2**52 and (ordered == np.rint(ordered)).all():
        width = max(1.0, float(np.ceil((high - low + 1) / BARS)))
        bars = int(np.ceil((high - low + 1) / width))
        return low, low + bars * width, bars, high
    high = high if high > low else low + 1
    return low, high, BARS, high


def _ends(ordered: np.ndarray) -> tuple[float, float]:
    """The range; without its outermost rows where they are far from all others."""
    last = len(ordered) - 1
    low, high = float(ordered[0]), float(ordered[-1])
    inner = float(ordered[int(_CLIPPED * last)]), float(ordered[int((1 - _CLIPPED) * last)])
    if high / 2 - low / 2 > 3 * (inner[1] / 2 - inner[0] / 2) > 0:
        return inner
    return low, high


def _counts(
    bar: np.ndarray, bars: int, sample: Sample
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    sides = np.bincount(sample.sides * bars + bar, minlength=len(SIDES) * bars)
    groups, names = sample.groups
    labels = np.bincount(groups * bars + bar[sample.train], minlength=len(names) * bars)
    return _by(tuple(SIDES), sides.reshape(-1, bars)), _by(names, labels.reshape(-1, bars))


def _by(names: tuple[str, ...], counts: np.ndarray) -> dict[str, tuple[int, ...]]:
    return {name: tuple(row) for name, row in zip(names, counts.tolist(), strict=True)}
