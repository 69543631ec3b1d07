"""Models as graphs, from what they read to what they say: trees, weights, shares.

Networks are written by the formats themselves: see `saved_model` and `onnx_model`.
"""

from dataclasses import replace

import numpy as np

from plumbline.baselines.boosted_trees import BoostedTrees
from plumbline.baselines.dummy import Dummy
from plumbline.baselines.examples import Units
from plumbline.baselines.linear import Linear
from plumbline.baselines.random_forest import RandomForest
from plumbline.exports.answers import expit, softmax
from plumbline.exports.onnx_ops import OnnxOps
from plumbline.exports.ops import Ops, Value
from plumbline.exports.scaling import Transformed
from plumbline.exports.trees import FIRST_MEMBER, of_booster, of_forest
from plumbline.normalization.matrix import UNKNOWN
from plumbline.spec import Task


def dummy(ops: Ops, model: Dummy, read: Transformed) -> Value:
    """Scores of float64, shape (n, outputs), as all of these give them."""
    some = (*read.numeric, *read.codes)[0]
    none = ops.cast(some, "float64") * 0.0
    return ops.side_by_side([none + value for value in model.values])


def linear(ops: Ops, model: Linear, read: Transformed) -> Value:
    raw = None
    if read.numeric:
        numbers = ops.side_by_side([ops.cast(one, "float64") for one in read.numeric])
        raw = ops.product(numbers, model.numbers)
    for weights, code in zip(model.codes, read.codes, strict=True):
        # A code that training did not meet has the weight of the unknown one.
        known = np.vstack([weights, weights[UNKNOWN]])
        last = ops.constant(np.array(len(weights)))
        place = ops.where(ops.cast(code, "float64") >= float(len(weights)), last, code)
        part = ops.take(known, place)
        raw = part if raw is None else raw + part
    return _said(ops, model.task, raw + ops.constant(model.intercept), model.units)


def forest(ops: OnnxOps, model: RandomForest, read: Transformed) -> Value:
    features = _features(ops, read)
    count, outputs = len(model.trees), model.about.outputs
    if outputs == 1:
        trees = [of_forest(one, one.value[:, 0, 0]) for one in model.trees]
        said = ops.trees(features, trees, targets=1)
    else:
        said = _of_several(ops, model, features)
    return _restored(said / float(count), model.about.units)


def boosted(ops: OnnxOps, model: BoostedTrees, read: Transformed) -> Value:
    """As XGBoost, which adds up in float32; this one does in float64."""
    kept = _read_natively(ops, model, read)
    trees, margins = of_booster(model)
    raw = ops.trees(ops.side_by_side(kept), trees, targets=model.outputs)
    return _said(ops, model.task, raw + ops.constant(margins), model.units)


def _of_several(ops: OnnxOps, model: RandomForest, features: Value) -> Value:
    """Each tree tells its leaf, whose values are looked up: a leaf of ONNX says one number."""
    leaves = [one.children_left < 0 for one in model.trees]
    starts = np.cumsum([0, *(leaf.sum() for leaf in leaves)])
    trees = [
        replace(of_forest(tree, start + np.cumsum(leaf) - 1.0), target=target)
        for target, (tree, leaf, start) in enumerate(zip(model.trees, leaves, starts, strict=False))
    ]
    places = ops.cast(ops.trees(features, trees, targets=len(trees)), "int64")
    pairs = zip(model.trees, leaves, strict=True)
    values = np.concatenate([tree.value[leaf, 0, :] for tree, leaf in pairs])
    return ops.node("ReduceSum", ops.take(values, places), ops.constant(np.array([1])), keepdims=0)


def _features(ops: OnnxOps, read: Transformed) -> Value:
    """Columns of `Matrix.dense`, float32 turned to float64, which changes no comparison."""
    return ops.side_by_side([ops.cast(one, "float64") for one in (*read.numeric, *read.codes)])


def _read_natively(ops: OnnxOps, model: BoostedTrees, read: Transformed) -> list[Value]:
    """As `Native.read`, but for the categories: NULL has a code, and all are one higher."""
    native, nan = model.native, ops.constant(np.array(np.nan))
    numbers = [ops.cast(one, "float64") for one in read.numeric]
    for column, indicator in native.nulls:
        numbers[column] = ops.where(numbers[indicator] >= 1.0, nan, numbers[column])
    indicators = {indicator for _, indicator in native.nulls}
    kept = [one for at, one in enumerate(numbers) if at not in indicators]
    return kept + [ops.cast(one, "float64") + float(FIRST_MEMBER) for one in read.codes]


def _said(ops: Ops, task: Task, raw: Value, units: Units) -> Value:
    if task == "regression":
        return _restored(raw, units)
    return softmax(ops, raw) if task == "multiclass" else expit(ops, raw)


def _restored(scores: Value, units: Units) -> Value:
    return scores if units == Units() else scores * units.scale + units.mean
