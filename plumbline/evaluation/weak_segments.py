"""Where a candidate does worst: segments that a shallow tree finds on the validation rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.evaluation.slices import Slice
from plumbline.normalization.columns import number, texts
from plumbline.normalization.parameters import Normalization
from plumbline.spec import Task
from plumbline.split.rows import Rows, ValRows

DEPTH = 3
"""Conditions that a segment has at most."""

ROWS = 200_000
"""Validation rows that are looked at; of more, so many spread evenly (count)."""

SHARE = 0.02
"""Of the validation rows that are looked at, those of a segment at least."""

VALUES = 20
"""Values of a category that may be a condition: the commonest in training (count)."""

NUMBER = object()
"""Stands for a column's numbers where a category has one of its values, or None."""

Asked = tuple[str, Any]
"""A column and the value that is asked for; `NUMBER` for a number's own size."""


def losses(task: Task, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """What each row adds to a candidate's error: shape (n,), 0 for a row that is right.

    The squared distance of probabilities from what is so, summed over classes, or in the mean
    over labels; of a regression the absolute error. Neither is carried away by a single row.
    """
    if task == "regression":
        return np.abs(scores - labels)
    if task == "multiclass":
        return ((scores - np.eye(scores.shape[1])[labels]) ** 2).sum(axis=1)
    apart = (scores - labels) ** 2
    return apart.mean(axis=1) if apart.ndim == 2 else apart


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Leaves of a tree, by their names."""

    asked: tuple[Asked, ...]
    tree: Any
    leaves: dict[int, str]
    """Names by the leaf's number, the worst first."""
    found: list[dict[str, Any]]
    """Of each: slice, rows and loss (the mean of its validation rows)."""

    def slices(self, test: Rows) -> Iterator[Slice]:
        """The same segments among the test rows."""
        blocks = test.batches(_columns(self.asked)) if self.leaves else ()
        at = np.concatenate([
            np.empty(0, np.int64),
            *(self.tree.apply(_answers(block, self.asked)) for block in blocks),
        ])  # fmt: skip
        for leaf, name in self.leaves.items():
            yield Slice(name=name, declared=False, rows=at == leaf)


NONE = Segments(asked=(), tree=None, leaves={}, found=[])


def find(
    val: ValRows, each: np.ndarray, normalization: Normalization, *, least: int, most: int
) -> Segments:
    """Segments of the validation rows with a greater loss than all of them have in the mean.

    each: the loss of every row, shape (n,). least, most: rows of a segment, and segments (count).
    """
    asked = tuple(_asked(normalization))
    places = np.linspace(0, len(each) - 1, min(len(each), ROWS)).astype(np.int64)
    least = max(least, math.ceil(SHARE * len(places)))
    if not (most and asked and len(places) >= 2 * least):
        return NONE
    from sklearn.tree import DecisionTreeRegressor

    answers, wanted = _at(val, asked, places), each[places]
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=0)
    tree.fit(answers, wanted)
    at = tree.apply(answers)
    means = {int(leaf): float(wanted[at == leaf].mean()) for leaf in np.unique(at)}
    worst = sorted((leaf for leaf in means if means[leaf] > wanted.mean()), key=means.__getitem__)
    nulls: Any = np.isnan(answers).any(axis=0)
    leaves = {leaf: _named(tree.tree_, leaf, asked, nulls) for leaf in worst[::-1][:most]}
    found = [
        {"slice": name, "rows": int((at == leaf).sum()), "loss": means[leaf]}
        for leaf, name in leaves.items()
    ]
    return Segments(asked=asked, tree=tree, leaves=leaves, found=found)


def _asked(normalization: Normalization) -> Iterator[Asked]:
    for name in normalization.number_columns:
        yield name, NUMBER
    for one in normalization.categories:
        for value in (*one.values[:VALUES], None):
            yield one.name, value


def _columns(asked: Sequence[Asked]) -> list[str]:
    return list(dict.fromkeys(name for name, _ in asked))


def _answers(block: pa.RecordBatch, asked: Sequence[Asked]) -> np.ndarray:
    """Float32, shape (n, len(asked)): a number, or whether the value is the one asked for."""
    found, text = np.empty((block.num_rows, len(asked)), dtype=np.float32), {}
    for place, (name, value) in enumerate(asked):
        if value is NUMBER:
            # A tree takes no infinities; beyond float32 lies nothing that it could ask for.
            most = np.finfo(np.float32).max
            found[:, place] = np.clip(number(block, name), -most, most)
            continue
        text[name] = text[name] if name in text else texts(block, name)
        is_so: Any = pc.is_null(text[name]) if value is None else pc.equal(text[name], value)
        found[:, place] = is_so.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def _at(val: ValRows, asked: Sequence[Asked], places: np.ndarray) -> np.ndarray:
    """`_answers` of some of the rows, by their places in order."""
    parts, start = [], 0
    for block in val.batches(_columns(asked)):
        first, end = np.searchsorted(places, [start, start + block.num_rows])
        here: Any = pa.array(places[first:end] - start)
        parts.append(_answers(block.take(here), asked))
        start += block.num_rows
    return np.concatenate(parts)


def _named(tree: Any, leaf: int, asked: Sequence[Asked], nulls: np.ndarray) -> str:
    """The conditions on the way from the root, those on one column together."""
    conditions: dict[str, list[tuple[Any, float, bool, bool]]] = {}
    held: dict[str, bool] = {}
    for node, left in _way(tree, leaf):
        place = tree.feature[node]
        name, value = asked[place]
        with_null = bool(nulls[place]) and bool(tree.missing_go_to_left[node]) == left
        edge = float(tree.threshold[node])
        conditions.setdefault(name, []).append((value, edge, left, with_null))
        held[name] = held.get(name, True) and with_null
    return " and ".join(_told(name, listed, held[name]) for name, listed in conditions.items())


def _way(tree: Any, leaf: int) -> list[tuple[int, bool]]:
    """Nodes from the root to a leaf, and whether it lies to their left."""
    above = {}
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        above |= {left: (node, True), right: (node, False)} if left >= 0 else {}
    way = []
    while leaf in above:
        way.append(above[leaf])
        leaf = above[leaf][0]
    return way[::-1]


def _told(name: str, listed: Sequence[tuple[Any, float, bool, bool]], with_null: bool) -> str:
    if listed[0][0] is NUMBER:
        low = max((edge for _, edge, left, _ in listed if not left), default=-math.inf)
        high = min((edge for _, edge, left, _ in listed if left), default=math.inf)
        return _range(name, low, high, with_null)
    yes = [value for value, _, left, _ in listed if not left]
    if yes:
        return f"{name} is NULL" if yes[0] is None else f"{name} = {yes[0]}"
    no = [value for value, _, left, _ in listed if left]
    return " and ".join(
        f"{name} is not NULL" if value is None else f"{name} ≠ {value}" for value in no
    )


def _range(name: str, low: float, high: float, with_null: bool) -> str:
    if low == math.inf:
        return f"{name} is NULL"
    below, above = f"{low:.6g} < " * (low > -math.inf), f" ≤ {high:.6g}" * (high < math.inf)
    if below and not above:
        told = f"{name} > {low:.6g}"
    elif below or above:
        told = f"{below}{name}{above}"
    else:
        return f"{name} is not NULL"
    return f"({told} or NULL)" if with_null else told
