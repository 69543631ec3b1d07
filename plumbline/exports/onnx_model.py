"""A bundle as an ONNX model: raw rows in, released scores out.

The normalization, trees and the calibration are computed in float64, networks in float32.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.baselines.boosted_trees import BoostedTrees
from plumbline.baselines.dummy import Dummy
from plumbline.baselines.linear import Linear
from plumbline.baselines.random_forest import RandomForest
from plumbline.errors import BundleError
from plumbline.exports import models
from plumbline.exports.answers import NAMES, released
from plumbline.exports.keras_core import said
from plumbline.exports.onnx_ops import IR, ML, ML_OPSET, OPSET, Node, OnnxOps
from plumbline.exports.raw_rows import feeds, raw_inputs
from plumbline.exports.scaling import Transformed, transformed
from plumbline.network.predictor import KerasPredictor
from plumbline.normalization.parameters import Normalization
from plumbline.release.opened import Bundle

_ELEMENTS = {"number": "DOUBLE", "category": "STRING", "image": "UINT8"}
_PREFIX = "network:"
"""Of every name in a network's own graph."""


def write(bundle: Bundle, about: object, file: Path) -> None:
    """Write the file.

    Raises:
        BundleError: the format cannot hold the model; or Keras runs on another backend.
    """
    import onnx

    model = _model(bundle)
    onnx.helper.set_model_props(model, {"plumbline": json.dumps(about, ensure_ascii=False)})
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString(deterministic=True))


def reloaded(bundle: Bundle, file: Path) -> Callable[[pa.RecordBatch], np.ndarray]:
    """What the file says of raw rows, by ONNX Runtime on the processor."""
    import onnxruntime

    inputs = raw_inputs(bundle)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def score(rows: pa.RecordBatch) -> np.ndarray:
        (found,) = session.run(None, feeds(bundle, inputs, rows))
        return np.asarray(found)

    return score


def _model(bundle: Bundle) -> Any:
    from onnx import helper

    ops, task = OnnxOps(), bundle.decision.task
    inputs = raw_inputs(bundle)
    given: Mapping[str, Node] = {one.column: Node(ops, one.name) for one in inputs}
    read = transformed(ops, bundle.normalization, given)
    scores = released(ops, bundle.decision, _said(ops, bundle, read), read.refused)
    ops.nodes.append(helper.make_node("Identity", [scores.name], [NAMES[task]]))
    several = [len(bundle.decision.classes)] if task in ("multiclass", "multilabel") else []
    graph = helper.make_graph(
        ops.nodes,
        "plumbline",
        [_tensor(one.name, _ELEMENTS[one.kind], one.shape) for one in inputs],
        [_tensor(NAMES[task], "DOUBLE", several)],
        ops.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="plumbline")


def _tensor(name: str, element: str, shape: Sequence[int]) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, getattr(TensorProto, element), ["rows", *shape])


def _said(ops: OnnxOps, bundle: Bundle, read: Transformed) -> Node:
    match bundle.predictor:
        case KerasPredictor() as network:
            return _network(ops, bundle, network, read)
        case RandomForest() as model:
            return models.forest(ops, model, read)
        case BoostedTrees() as model:
            return models.boosted(ops, model, read)
        case Linear() as model:
            return models.linear(ops, model, read)
        case Dummy() as model:
            return models.dummy(ops, model, read)
    raise BundleError(
        f"the model is {bundle.manifest.kind}",
        expected="a network, trees or a linear model",
        remedy="score it with Plumbline",
        kind=bundle.manifest.kind,
    )


def _network(ops: OnnxOps, bundle: Bundle, model: KerasPredictor, read: Transformed) -> Node:
    """The network's own graph, converted by tf2onnx, between the nodes that are there."""
    from onnx import compose, helper

    given = [*read.numeric, *read.codes, *read.images.values()]
    converted = compose.add_prefix(_converted(model, read, bundle.normalization), _PREFIX)
    for one, value in zip(converted.graph.input, given, strict=True):
        ops.nodes.append(helper.make_node("Identity", [value.name], [one.name]))
    ops.nodes += converted.graph.node
    ops.constants += converted.graph.initializer
    return Node(ops, converted.graph.output[0].name)


def _converted(model: KerasPredictor, read: Transformed, normalization: Normalization) -> Any:
    """A graph whose inputs are the columns that the network reads, one by one."""
    import tensorflow as tf
    import tf2onnx

    numbers, codes = len(read.numeric), len(read.codes)
    shapes = [("float32", ())] * numbers + [("int64", ())] * codes
    shapes += [("uint8", one.shape) for one in normalization.images]
    specs = [
        tf.TensorSpec((None, *shape), kind, name=f"read_{at}")
        for at, (kind, shape) in enumerate(shapes)
    ]

    def core(*values: Any) -> Any:
        images = dict(zip(read.images, values[numbers + codes :], strict=True))
        given = Transformed(
            numeric=values[:numbers],
            codes=values[numbers : numbers + codes],
            images=images,
            refused=None,
        )
        return said(model, given)

    traced = tf.function(core, input_signature=specs, autograph=False)
    converted, _ = tf2onnx.convert.from_function(traced, input_signature=specs, opset=OPSET)
    return converted
