"""A forest as a Parquet file: one row group per tree, one row per node in depth-first order.

A node that splits has a feature, a threshold and the number of nodes of its left subtree: its
left child is the next row, its right child the row after that subtree. A leaf has the values
that it says, and nothing else: the share of label 1 among its training rows, of each class or
of each label, or the mean of a regression's standardized labels. Node counts and impurities
are left out, because prediction reads none of them.

Rows are float32, so a threshold is stored as the greatest float32 that does not exceed it:
every comparison `x <= threshold` comes out the same.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.baselines.examples import Units
from plumbline.errors import BundleError
from plumbline.spec import Task

FORMAT = "plumbline.forest.2"
_LEAF = -1
_ROUNDING = 1e-6
"""How far from 1 the shares of a leaf's classes may add up."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a forest reads and says."""

    names: tuple[str, ...]
    """Columns of the matrices it reads: `Matrix.names`."""
    task: Task
    outputs: int = 1
    """Classes of multiclass, labels of multilabel, else 1 (count)."""
    units: Units = Units()  # noqa: RUF009  (frozen)


def plain_tree(tree: Any, values: np.ndarray) -> Any:
    """scikit-learn's `tree_` with nothing but what prediction reads.

    values: what each node says, float64 of shape (nodes, outputs); read at the leaves.
    """
    leaf = tree.children_left == _LEAF
    at = np.arange(tree.node_count)
    if not np.array_equal(tree.children_left[~leaf], at[~leaf] + 1):
        raise AssertionError("scikit-learn no longer grows trees depth first")
    return _tree(
        leaf,
        np.where(leaf, 0, tree.feature),
        np.where(leaf, 0, _rounded_down(tree.threshold)),
        tree.children_right - tree.children_left,
        np.where(leaf[:, None], values, 0.0),
        features=tree.n_features,
    )


def write_forest(trees: Sequence[Any], about: About, path: Path) -> None:
    """Write trees that `plain_tree` made.

    zstd: a third the size of Arrow IPC, and read as fast.
    """
    told = {"format": FORMAT, "about": json.dumps(asdict(about))}
    schema = _columns(about.outputs).with_metadata(told)
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as file:
        for tree in trees:
            table = _table(tree, schema)
            file.write_table(table, row_group_size=len(table))


def read_forest(path: Path) -> tuple[list[Any], About]:
    """The trees and what is known of them, checked before any of it is used.

    Raises:
        BundleError: the file is not a forest, or a node points outside its tree.
    """
    try:
        with pq.ParquetFile(path) as file:
            about = _about(file.schema_arrow)
            groups = range(file.num_row_groups)
            trees = [_read(file.read_row_group(i), about) for i in groups]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise _malformed(path, str(error)) from error
    if not trees:
        raise _malformed(path, "it holds no tree")
    return trees, about


def _columns(outputs: int) -> pa.Schema:
    return pa.schema(
        [
            ("feature", pa.int32()),
            ("threshold", pa.float32()),
            ("left_size", pa.int32()),
            ("values", pa.list_(pa.float64(), outputs)),
        ]
    )


def _table(tree: Any, schema: pa.Schema) -> pa.Table:
    leaf = tree.children_left == _LEAF
    columns = (tree.feature, tree.threshold, tree.children_right - tree.children_left)
    arrays = [
        pa.array(values.astype(field.type.to_pandas_dtype()), mask=leaf)
        for values, field in zip(columns, schema, strict=False)
    ]
    said, kind = pa.array(tree.value[:, 0, :].ravel()), schema.field("values").type
    values: Any = pa.FixedSizeListArray.from_arrays(said, type=kind, mask=pa.array(~leaf))
    return pa.Table.from_arrays([*arrays, values], schema=schema)


def _rounded_down(thresholds: np.ndarray) -> np.ndarray:
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _about(schema: pa.Schema) -> About:
    metadata = schema.metadata or {}
    found = metadata.get(b"format", b"").decode()
    if found != FORMAT:
        raise ValueError(
            f"its format is {found or 'not named'}, where {FORMAT} is read; "
            f"it has columns {', '.join(schema.names)}"
        )
    record = json.loads(metadata[b"about"])
    about = About(
        names=tuple(map(str, record["names"])),
        task=record["task"],
        outputs=int(record["outputs"]),
        units=Units.read(record["units"]),
    )
    if about.task not in get_args(Task) or about.outputs < 1:
        raise ValueError(f"it is for task {about.task!r} with {about.outputs} outputs")
    if not schema.equals(_columns(about.outputs)):
        raise ValueError(f"it has columns {', '.join(schema.names)}")
    return about


def _read(table: pa.Table, about: About) -> Any:
    leaf, values = _checked(table, about)
    feature, threshold, left_size = (
        _filled(table, name) for name in ("feature", "threshold", "left_size")
    )
    return _tree(leaf, feature, threshold, left_size, values, features=len(about.names))


def _tree(
    leaf: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left_size: np.ndarray,
    values: np.ndarray,
    *,
    features: int,
) -> Any:
    """All of shape (nodes,), but values (nodes, outputs)."""
    from sklearn.tree._tree import NODE_DTYPE, Tree

    left = np.arange(len(leaf)) + 1
    nodes: Any = np.zeros(len(leaf), dtype=NODE_DTYPE)
    nodes["left_child"] = np.where(leaf, _LEAF, left)
    nodes["right_child"] = np.where(leaf, _LEAF, left + left_size)
    nodes["feature"] = np.where(leaf, -2, feature)
    nodes["threshold"] = threshold
    tree = Tree(features, np.array([values.shape[1]], dtype=np.intp), 1)
    state = {"max_depth": 0, "node_count": len(leaf), "nodes": nodes}
    tree.__setstate__({**state, "values": np.ascontiguousarray(values[:, None, :])})
    return tree


def _checked(table: pa.Table, about: About) -> tuple[np.ndarray, np.ndarray]:
    """Which nodes are leaves: bool, shape (nodes,), and all values: float64, (nodes, outputs).

    What passes cannot lead out of the tree.
    """
    leaf = table["feature"].is_null().to_numpy()
    for name, absent in (("threshold", leaf), ("left_size", leaf), ("values", ~leaf)):
        if not np.array_equal(table[name].is_null().to_numpy(), absent):
            raise ValueError(f"{name} is absent, or present, at the wrong nodes")
    split = np.flatnonzero(~leaf)
    feature, size = (_filled(table, name)[split] for name in ("feature", "left_size"))
    threshold, values = _filled(table, "threshold"), _values(table, leaf, about.outputs)
    sound = {
        "it splits by a column it does not have": (feature >= 0) & (feature < len(about.names)),
        "a child lies outside its tree": (size >= 1) & (split + 1 + size < len(leaf)),
        "its nodes do not form one binary tree": np.array([len(leaf) == 2 * len(split) + 1]),
        "a threshold is not finite": np.isfinite(threshold),
        **_sound_leaves(values[leaf], about.task),
    }
    for problem, fine in sound.items():
        if not fine.all():
            raise ValueError(problem)
    return leaf, values


def _sound_leaves(values: np.ndarray, task: Task) -> dict[str, np.ndarray]:
    if task == "regression":
        return {"a leaf's value is not finite": np.isfinite(values)}
    sums = values.sum(axis=1) if task == "multiclass" else np.ones(1)
    return {
        "a leaf's share is outside 0 to 1": (values >= 0) & (values <= 1),
        "a leaf's shares do not add up to 1": np.abs(sums - 1) <= _ROUNDING,
    }


def _values(table: pa.Table, leaf: np.ndarray, outputs: int) -> np.ndarray:
    said: Any = table["values"].combine_chunks()
    found = said.flatten().to_numpy(zero_copy_only=False)  # of the leaves alone
    values = np.zeros((len(leaf), outputs))
    values[leaf] = found.reshape(-1, outputs)
    return values


def _filled(table: pa.Table, name: str) -> np.ndarray:
    return table[name].combine_chunks().fill_null(0).to_numpy(zero_copy_only=False)


def _malformed(path: Path, problem: str) -> BundleError:
    return BundleError(
        f"{path} is not a forest: {problem}",
        expected=f"a file that RandomForest.save wrote, in format {FORMAT}",
        remedy="restore the artifact from a backup, or train the forest again",
        path=str(path),
    )
