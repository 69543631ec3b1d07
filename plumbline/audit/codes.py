"""Values as a few codes: what skill, shift and order are measured on, in linear time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BINS = 64
"""Codes beside 0 (count): so a distance between distributions is known to 1/64."""


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A column of the sample. Code 0 is a missing value."""

    codes: np.ndarray
    """int64, shape (sampled rows,)."""
    size: int
    """Codes there are, 0 among them (count)."""
    ordered: bool
    """Whether a greater code is a greater number."""
    exact: bool
    """Whether every value has a code of its own."""


def of_numbers(values: np.ndarray) -> tuple[Coded, np.ndarray]:
    """Numbers by quantiles, few different ones by themselves; NaN is missing.

    Also the values without NaN in ascending order: float64.
    """
    missing = np.isnan(values)
    ordered = np.sort(values[~missing] if missing.any() else values)
    cuts, exact = _cuts(ordered)
    codes = np.searchsorted(cuts, values, side="left").astype(np.int64) + 1
    codes[missing] = 0
    return Coded(codes=codes, size=len(cuts) + 2, ordered=True, exact=exact), ordered


def _cuts(ordered: np.ndarray) -> tuple[np.ndarray, bool]:
    """Greatest values of all bins but the last; and whether a bin is one value."""
    if not len(ordered):
        return ordered, True
    last = np.append(ordered[1:] != ordered[:-1], True)
    if np.count_nonzero(last) <= BINS:
        return ordered[last][:-1], True
    places = np.arange(1, BINS) * len(ordered) // BINS
    return np.unique(ordered[places]), False


def of_categories(values: pa.Array) -> tuple[Coded, list[str]]:
    """Strings by how common they are in the sample; the rarest share one code.

    Also the strings that have a code of their own, from code 1 on. The sides play no part in
    the choice: codes taken from one of them would set it apart from the others.
    """
    encoded: Any = values.dictionary_encode()
    indices = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    counts = np.bincount(indices + 1, minlength=len(encoded.dictionary) + 1)[1:]
    ranked = np.lexsort((_alphabetical(encoded.dictionary), -counts))
    exact = len(ranked) <= BINS
    kept = ranked[: BINS if exact else BINS - 1]
    places = np.full(len(ranked) + 1, BINS, dtype=np.int64)
    places[kept] = np.arange(1, len(kept) + 1)
    places[-1] = 0
    coded = Coded(
        codes=places[indices], size=len(kept) + 1 + (not exact), ordered=False, exact=exact
    )
    return coded, encoded.dictionary.take(kept).to_pylist()


def _alphabetical(values: Any) -> np.ndarray:
    """The rank of each of different strings."""
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[pc.array_sort_indices(values).to_numpy()] = np.arange(len(values))
    return ranks
