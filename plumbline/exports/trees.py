"""Trees as the arrays of ONNX's TreeEnsemble (ai.onnx.ml, version 5): branches, then leaves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbline.baselines.boosted_trees import BoostedTrees
from plumbline.errors import BundleError
from plumbline.normalization.matrix import MISSING

FIRST_MEMBER = 1
"""Stands for the code 0 in a set: readers of the format take a 0 for its end."""

AT_MOST, LESS, MEMBER = 0, 1, 6
"""How a branch compares: x <= split, x < split, or x is one of a set."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One tree; all arrays are of its nodes, of which the first is the root."""

    leaf: np.ndarray
    yes: np.ndarray
    """The node where the comparison holds."""
    no: np.ndarray
    feature: np.ndarray
    split: np.ndarray
    """float64; NaN where `mode` is MEMBER."""
    mode: np.ndarray
    missing_is_yes: np.ndarray
    """Where NaN goes."""
    weight: np.ndarray
    """What a leaf adds: float64."""
    sets: Mapping[int, Sequence[int]]
    """Members, by node."""
    target: int = 0
    """The output that it adds to."""


def searching(table: np.ndarray, *, counting_equal: bool) -> Tree:
    """A tree that says how many entries of a rising table are less than x, or equal, too."""
    count = len(table)
    branches, pending = list[tuple[int, int, int]](), [(0, count)]
    number = {(0, count): 0}
    while pending:  # breadth first: a branch's number is its place among `branches`
        low, high = pending.pop(0)
        middle = (low + high) // 2
        sides = [(low, middle), (middle + 1, high)]
        for side in sides:
            if side[0] < side[1]:
                number[side] = len(number)
                pending.append(side)
        # An empty side is a leaf; they stand behind the branches, and say how many came before.
        left, right = (number.get(side, count + side[0]) for side in sides)
        branches.append((middle, left, right))
    middles, yes, no = np.pad(np.array(branches), [(0, count + 1), (0, 0)]).T
    nodes = 2 * count + 1
    return Tree(
        leaf=np.arange(nodes) >= count,
        yes=yes,
        no=no,
        feature=np.zeros(nodes, dtype=np.int64),
        split=np.asarray(table, dtype=np.float64)[middles],
        mode=np.full(nodes, LESS if counting_equal else AT_MOST),
        missing_is_yes=np.zeros(nodes, dtype=np.int64),
        weight=np.arange(nodes, dtype=np.float64) - count,
        sets={},
    )


def of_forest(tree: Any, weight: np.ndarray) -> Tree:
    """A tree of scikit-learn's; weight: what each node adds, shape (nodes,)."""
    leaf = tree.children_left < 0
    return Tree(
        leaf=leaf,
        yes=tree.children_left,
        no=tree.children_right,
        feature=tree.feature,
        split=np.asarray(tree.threshold, dtype=np.float64),
        mode=np.full(len(leaf), AT_MOST),
        missing_is_yes=np.zeros(len(leaf), dtype=np.int64),
        weight=weight,
        sets={},
    )


def of_booster(model: BoostedTrees) -> tuple[list[Tree], np.ndarray]:
    """Its trees, and the margin of each output that they add to: float64, shape (outputs,).

    Raises:
        BundleError: it is not made of plain trees.
    """
    learner = json.loads(model.booster.save_raw("json"))["learner"]
    boosted, told = learner["gradient_booster"], learner["learner_model_param"]
    if boosted["name"] != "gbtree":
        raise BundleError(
            f"the booster is of kind {boosted['name']}",
            expected="gbtree, whose trees add up",
            remedy="release a model that Plumbline trained",
        )
    targets = boosted["model"]["tree_info"]
    trees = [
        _of_xgboost(one, target)
        for one, target in zip(boosted["model"]["trees"], targets, strict=True)
    ]
    return trees, _margins(told["base_score"], model)


def _of_xgboost(record: Mapping[str, Any], target: int) -> Tree:
    """True is right for a set of categories, left for a number, as XGBoost has it."""
    left, right = (np.array(record[f"{side}_children"]) for side in ("left", "right"))
    # Read as the float32 that was written, or values at a split go the other way.
    split = np.array(record["split_conditions"], dtype=np.float32).astype(np.float64)
    by_set = np.array(record["split_type"], dtype=bool) & (left >= 0)
    default = np.array(record["default_left"], dtype=np.int64)
    return Tree(
        leaf=left < 0,
        yes=np.where(by_set, right, left),
        no=np.where(by_set, left, right),
        feature=np.array(record["split_indices"]),
        split=np.where(by_set, np.nan, split),
        mode=np.where(by_set, MEMBER, LESS),
        missing_is_yes=default,
        weight=split,
        sets=_sets(record),
        target=target,
    )


def _sets(record: Mapping[str, Any]) -> dict[int, list[int]]:
    """Members by node, of the codes that go right: NULL has one, and is missing for XGBoost."""
    members, default = record["categories"], record["default_left"]
    parts = zip(
        record["categories_nodes"],
        record["categories_segments"],
        record["categories_sizes"],
        strict=True,
    )
    found = {node: set(members[start : start + size]) - {MISSING} for node, start, size in parts}
    return {
        node: [FIRST_MEMBER + one for one in sorted(given if default[node] else given | {MISSING})]
        for node, given in found.items()
    }


def _margins(base_score: str, model: BoostedTrees) -> np.ndarray:
    found = np.atleast_1d(np.array(json.loads(base_score), dtype=np.float64))
    if model.task in ("binary", "multilabel"):
        found = np.log(found) - np.log1p(-found)
    return np.broadcast_to(found, (model.outputs,))


def attributes(trees: Sequence[Tree]) -> dict[str, Any]:
    """The node's attributes, as NumPy arrays of the types that it wants."""
    parts = [_numbered(one) for one in trees]
    starts = _starts([len(one["modes"]) for one in parts])
    leaves = _starts([len(one["weights"]) for one in parts])
    for one, start, leaf in zip(parts, starts, leaves, strict=True):
        for side in ("true", "false"):
            is_leaf = one[f"{side}leafs"] == 1
            one[f"{side}nodeids"] += np.where(is_leaf, leaf, start)
    joined = {
        name: np.concatenate([one[name] for one in parts]) for name in parts[0] if name != "members"
    }
    made = {
        "tree_roots": np.array(starts),
        **{f"nodes_{name}": joined[name] for name in _OF_NODES},
        "leaf_weights": joined["weights"],
        "leaf_targetids": joined["targetids"],
    }
    members = [one for part in parts for one in part["members"]]
    if members:
        made["membership_values"] = np.concatenate([[*one, np.nan] for one in members])
    return made


_OF_NODES = (
    "modes",
    "featureids",
    "splits",
    "truenodeids",
    "trueleafs",
    "falsenodeids",
    "falseleafs",
    "missing_value_tracks_true",
)


def _starts(sizes: Sequence[int]) -> list[int]:
    return np.cumsum([0, *sizes[:-1]]).tolist()


def _numbered(tree: Tree) -> dict[str, Any]:
    """Branches and leaves with numbers of their own, from 0: the order in which sets are read."""
    if len(tree.leaf) == 1:
        tree = _with_a_branch(tree)
    branch, leaves = _in_order(tree)
    number = np.zeros(len(tree.leaf), dtype=np.int64)
    number[branch], number[leaves] = np.arange(len(branch)), np.arange(len(leaves))
    return {
        "modes": tree.mode[branch].astype(np.uint8),
        "featureids": tree.feature[branch],
        "splits": tree.split[branch],
        "truenodeids": number[tree.yes[branch]],
        "trueleafs": tree.leaf[tree.yes[branch]].astype(np.int64),
        "falsenodeids": number[tree.no[branch]],
        "falseleafs": tree.leaf[tree.no[branch]].astype(np.int64),
        "missing_value_tracks_true": tree.missing_is_yes[branch],
        "weights": tree.weight[leaves],
        "targetids": np.full(len(leaves), tree.target),
        "members": [tree.sets[node] for node in branch if tree.mode[node] == MEMBER],
    }


def _in_order(tree: Tree) -> tuple[list[int], list[int]]:
    """Branches and leaves from the root on, what holds before what does not."""
    branches, leaves, pending = list[int](), list[int](), [0]
    while pending:
        node = pending.pop()
        if tree.leaf[node]:
            leaves.append(node)
            continue
        branches.append(node)
        pending += [int(tree.no[node]), int(tree.yes[node])]
    return branches, list(dict.fromkeys(leaves))


def _with_a_branch(tree: Tree) -> Tree:
    """A single leaf behind a branch that leads to it either way: the format wants one."""
    return Tree(
        leaf=np.array([False, True]),
        yes=np.array([1, 0]),
        no=np.array([1, 0]),
        feature=np.zeros(2, dtype=np.int64),
        split=np.zeros(2),
        mode=np.full(2, AT_MOST),
        missing_is_yes=np.zeros(2, dtype=np.int64),
        weight=np.array([0.0, tree.weight[0]]),
        sets={},
        target=tree.target,
    )
