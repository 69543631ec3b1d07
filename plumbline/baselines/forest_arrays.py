"""A forest as a Parquet file: one row group per tree, one row per node in depth-first order.

A node that splits has a feature, a threshold and the number of nodes of its left subtree: its
left child is the next row, its right child the row after that subtree. A leaf has the share
of label 1 among its training rows, and nothing else. Node counts, impurities and the other
half of the children are left out, because prediction reads none of them.

Rows are float32, so a threshold is stored as the greatest float32 that does not exceed it:
every comparison `x <= threshold` comes out the same.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import BundleError

_FORMAT = b"plumbline.forest.1"
_COLUMNS = pa.schema(
    [
        ("feature", pa.int32()),
        ("threshold", pa.float32()),
        ("left_size", pa.int32()),
        ("value", pa.float64()),
    ]
)
_LEAF = -1


def write_forest(trees: Sequence[Any], names: Sequence[str], path: Path) -> None:
    """Write scikit-learn's `tree_` structures of a binary classifier over columns `names`.

    zstd: a third the size of Arrow IPC, and read as fast.
    """
    metadata = {b"format": _FORMAT, b"columns": json.dumps(list(names)).encode()}
    schema = _COLUMNS.with_metadata(metadata)
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as file:
        for tree in trees:
            table = _table(tree, schema)
            file.write_table(table, row_group_size=len(table))


def read_forest(path: Path) -> tuple[list[Any], tuple[str, ...]]:
    """The trees and the names of their columns, checked before any of it is used.

    A restored tree has one value per node, the share of label 1.

    Raises:
        BundleError: the file is not a forest, or a node points outside its tree.
    """
    try:
        with pq.ParquetFile(path) as file:
            names = _names(file.schema_arrow)
            groups = range(file.num_row_groups)
            trees = [_tree(file.read_row_group(i), len(names)) for i in groups]
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _malformed(path, str(error)) from error
    if not trees:
        raise _malformed(path, "it holds no tree")
    return trees, names


def _table(tree: Any, schema: pa.Schema) -> pa.Table:
    leaf = tree.children_left == _LEAF
    at = np.arange(tree.node_count)
    if not np.array_equal(tree.children_left[~leaf], at[~leaf] + 1):
        raise AssertionError("scikit-learn no longer grows trees depth first")
    columns = (
        (tree.feature, leaf),
        (_rounded_down(tree.threshold), leaf),
        (tree.children_right - tree.children_left, leaf),
        (tree.value[:, 0, -1], ~leaf),
    )
    arrays = [
        pa.array(values.astype(field.type.to_pandas_dtype()), mask=absent)
        for (values, absent), field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _rounded_down(thresholds: np.ndarray) -> np.ndarray:
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _names(schema: pa.Schema) -> tuple[str, ...]:
    metadata = schema.metadata or {}
    if metadata.get(b"format") != _FORMAT or not schema.equals(_COLUMNS):
        raise ValueError(f"it has columns {', '.join(schema.names)}")
    return tuple(map(str, json.loads(metadata[b"columns"])))


def _tree(table: pa.Table, features: int) -> Any:
    from sklearn.tree._tree import NODE_DTYPE, Tree

    leaf = _checked(table, features)
    left = np.arange(len(leaf)) + 1
    nodes: Any = np.zeros(len(leaf), dtype=NODE_DTYPE)
    nodes["left_child"] = np.where(leaf, _LEAF, left)
    nodes["right_child"] = np.where(leaf, _LEAF, left + _filled(table, "left_size"))
    nodes["feature"] = np.where(leaf, -2, _filled(table, "feature"))
    nodes["threshold"] = _filled(table, "threshold")
    tree = Tree(features, np.array([1], dtype=np.intp), 1)
    values = _filled(table, "value").reshape(-1, 1, 1)
    state = {"max_depth": 0, "node_count": len(leaf), "nodes": nodes, "values": values}
    tree.__setstate__(state)
    return tree


def _checked(table: pa.Table, features: int) -> np.ndarray:
    """Which nodes are leaves: bool, shape (nodes,). What passes cannot lead out of the tree."""
    leaf = table["feature"].is_null().to_numpy()
    for name, absent in (("threshold", leaf), ("left_size", leaf), ("value", ~leaf)):
        if not np.array_equal(table[name].is_null().to_numpy(), absent):
            raise ValueError(f"{name} is absent, or present, at the wrong nodes")
    split = np.flatnonzero(~leaf)
    feature, size = (_filled(table, name)[split] for name in ("feature", "left_size"))
    value, threshold = _filled(table, "value")[leaf], _filled(table, "threshold")
    sound = {
        "it splits by a column it does not have": (feature >= 0) & (feature < features),
        "a child lies outside its tree": (size >= 1) & (split + 1 + size < len(leaf)),
        "its nodes do not form one binary tree": np.array([len(leaf) == 2 * len(split) + 1]),
        "a leaf's share is outside 0 to 1": (value >= 0) & (value <= 1),
        "a threshold is not finite": np.isfinite(threshold),
    }
    for problem, fine in sound.items():
        if not fine.all():
            raise ValueError(problem)
    return leaf


def _filled(table: pa.Table, name: str) -> np.ndarray:
    return table[name].combine_chunks().fill_null(0).to_numpy(zero_copy_only=False)


def _malformed(path: Path, problem: str) -> BundleError:
    return BundleError(
        f"{path} is not a forest: {problem}",
        expected="a file that RandomForest.save wrote",
        remedy="restore the artifact from a backup, or train the forest again",
        path=str(path),
    )
