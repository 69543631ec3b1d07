"""What a certificate says of the labels on each side, and whether a model can learn from them."""

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np

from plumbline.extract.labels import LabelCoding
from plumbline.split.rows import NAMES, SIDES

CONFIDENCE = 0.95

Side = dict[str, Any]
"""What a certificate says of one side; JSON types."""


class Tally(Protocol):
    """Sees encoded labels block by block; then says what it has seen of a side."""

    def see(self, labels: np.ndarray, sides: np.ndarray) -> None: ...

    def side(self, code: int) -> Side: ...


def tally(coding: LabelCoding) -> Tally:
    match coding.task:
        case "regression":
            return _Numbers()
        case "multilabel":
            return _Several(coding)
        case _:
            return _Classes(coding)


class _Classes:
    """Counts of classes: positives with their rate (binary), or every class with its own."""

    def __init__(self, coding: LabelCoding):
        self._coding = coding
        self._counts = np.zeros((len(coding.classes), len(NAMES)), dtype=np.int64)

    def see(self, labels: np.ndarray, sides: np.ndarray) -> None:
        cells = labels.astype(np.int64) * len(NAMES) + sides
        counted = np.bincount(cells, minlength=self._counts.size)
        self._counts += counted.reshape(self._counts.shape)

    def side(self, code: int) -> Side:
        counts = [int(count) for count in self._counts[:, code]]
        rows = sum(counts)
        if self._coding.task == "binary":
            return {"positives": counts[1], "label_rate": _rate(counts[1], rows)}
        named = zip(self._coding.classes, counts, strict=True)
        return {"classes": {name: {"rows": n, "rate": _rate(n, rows)} for name, n in named}}


class _Several:
    """Counts of the rows that have each label, with their rate."""

    def __init__(self, coding: LabelCoding):
        self._names = coding.classes
        self._positives = np.zeros((len(NAMES), len(self._names)), dtype=np.int64)
        self._rows = np.zeros(len(NAMES), dtype=np.int64)

    def see(self, labels: np.ndarray, sides: np.ndarray) -> None:
        self._rows += np.bincount(sides, minlength=len(NAMES))
        np.add.at(self._positives, sides, labels)

    def side(self, code: int) -> Side:
        rows = int(self._rows[code])
        counted = zip(self._names, self._positives[code].tolist(), strict=True)
        return {"labels": {name: {"rows": n, "rate": _rate(n, rows)} for name, n in counted}}


class _Numbers:
    """Mean and spread by Chan, Golub and LeVeque's merging of blocks, and the range."""

    def __init__(self):
        shape = len(NAMES)
        self._rows, self._mean, self._squares = np.zeros((3, shape))
        self._min, self._max = np.full(shape, np.inf), np.full(shape, -np.inf)

    def see(self, labels: np.ndarray, sides: np.ndarray) -> None:
        for code in np.unique(sides):
            self._merge(code, labels[sides == code])

    def _merge(self, code: int, labels: np.ndarray) -> None:
        before, rows = self._rows[code], self._rows[code] + len(labels)
        mean = labels.mean()
        apart = mean - self._mean[code]
        squares = np.square(labels - mean).sum()
        self._squares[code] += squares + apart * apart * before * len(labels) / rows
        self._mean[code] += apart * len(labels) / rows
        self._rows[code] = rows
        self._min[code] = min(self._min[code], labels.min())
        self._max[code] = max(self._max[code], labels.max())

    def side(self, code: int) -> Side:
        rows = int(self._rows[code])
        if not rows:
            return dict.fromkeys(("mean", "std", "min", "max"))
        std = sqrt(self._squares[code] / max(rows - 1, 1))
        return {
            "mean": _mean(float(self._mean[code]), std, rows),
            "std": std,
            "min": float(self._min[code]),
            "max": float(self._max[code]),
        }


def wilson(positives: int, rows: int, confidence: float) -> dict[str, float]:
    """A proportion with its score interval: value, low, high.

    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = positives / rows
    shrink = 1 + z * z / rows
    middle = (rate + z * z / (2 * rows)) / shrink
    reach = z * sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows)) / shrink
    return {"value": rate, "low": max(0.0, middle - reach), "high": min(1.0, middle + reach)}


def shortcomings(sides: dict[str, Side]) -> Iterator[tuple[str, str]]:
    """Each side that is empty or teaches nothing, and what is wrong with it."""
    for name in SIDES:
        if wrong := _wrong(sides[name], train=name == "train"):
            yield name, wrong


def counted(side: Side) -> str:
    """How many rows a side has, and of what labels."""
    rows = f"{side['rows']:,} rows"
    if "positives" in side:
        return f"{rows} of which {side['positives']:,} positive"
    if "labels" in side:
        told = ", ".join(f"{one['rows']:,} {name}" for name, one in side["labels"].items())
        return f"{rows} of which {told}"
    if "classes" in side:
        return f"{rows} of {sum(one['rows'] > 0 for one in side['classes'].values())} classes"
    return rows


def _wrong(side: Side, *, train: bool) -> str | None:
    if not side["rows"]:
        return "empty"
    if "weight" in side and not side["weight"]["sum"]:
        return "without a row of any weight"
    if "labels" in side:
        return _wrong_of_several(side, train=train)
    if "classes" in side:
        return _wrong_of_classes(side, train=train)
    if "positives" in side:
        return None if 0 < side["positives"] < side["rows"] else "with one label only"
    return None if side["min"] < side["max"] else "with one value only"


def _wrong_of_classes(side: Side, *, train: bool) -> str | None:
    missing = [repr(name) for name, one in side["classes"].items() if not one["rows"]]
    if len(side["classes"]) - len(missing) < 2:
        return "with one class only"
    # Elsewhere a rare class may be absent; what was never learned cannot be predicted.
    return f"without {', '.join(missing[:5])}" if train and missing else None


def _wrong_of_several(side: Side, *, train: bool) -> str | None:
    alike = [n for n, one in side["labels"].items() if one["rows"] in (0, side["rows"])]
    if len(alike) == len(side["labels"]):
        return "with one value only of every label"
    told = ", ".join(map(repr, alike[:5]))
    return f"with one value only of {told}" if train and alike else None


def _rate(rows: int, of: int) -> dict[str, float] | None:
    return wilson(rows, of, CONFIDENCE) if of else None


def _mean(value: float, std: float, rows: int) -> dict[str, float | None]:
    """A mean with Student's interval, which needs two rows."""
    if rows < 2:
        return {"value": value, "low": None, "high": None}
    from scipy.special import stdtrit

    reach = float(stdtrit(rows - 1, (1 + CONFIDENCE) / 2)) * std / sqrt(rows)
    return {"value": value, "low": value - reach, "high": value + reach}
