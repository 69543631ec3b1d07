"""A bundle as a TensorFlow SavedModel: raw rows in, released scores out.

A server needs TensorFlow and nothing else. The normalization and the calibration are computed in
float64, the network in float32, as in the bundle.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.baselines.dummy import Dummy
from plumbline.baselines.linear import Linear
from plumbline.errors import BundleError
from plumbline.exports import models
from plumbline.exports.answers import NAMES, released
from plumbline.exports.keras_core import said, variables
from plumbline.exports.raw_rows import feeds, raw_inputs
from plumbline.exports.scaling import Transformed, transformed
from plumbline.exports.tensorflow_ops import TensorFlowOps
from plumbline.network.predictor import KerasPredictor
from plumbline.release.opened import Bundle

SIGNATURE = "serving_default"
EXTRA = Path("assets.extra")
"""Where TensorFlow lets others put files of their own."""
ABOUT = "plumbline.json"


def write(bundle: Bundle, about: object, folder: Path) -> None:
    """Make `folder` and fill it.

    Raises:
        BundleError: the model is made of trees, which TensorFlow has no operations for; or
            Keras runs on another backend.
    """
    core = _core(bundle)
    import tensorflow as tf

    inputs, ops = raw_inputs(bundle), TensorFlowOps()
    module: Any = tf.Module()

    def answered(**given: Any) -> dict[str, Any]:
        by_column = {one.column: given[one.name] for one in inputs}
        read = transformed(ops, bundle.normalization, by_column)
        scores = released(ops, bundle.decision, core(ops, read), read.refused)
        return {NAMES[bundle.decision.task]: scores}

    specs = {
        one.name: tf.TensorSpec((None, *one.shape), one.dtype, name=one.name) for one in inputs
    }
    traced = tf.function(answered, autograph=False).get_concrete_function(**specs)
    module.tables, module.weights = list(ops.tables.values()), variables(bundle.predictor)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: traced})
    (folder / EXTRA).mkdir()
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / EXTRA / ABOUT).write_text(text, "utf-8")


def reloaded(bundle: Bundle, folder: Path) -> Callable[[pa.RecordBatch], np.ndarray]:
    """What the files in `folder` say of raw rows."""
    import tensorflow as tf

    inputs = raw_inputs(bundle)
    loaded: Any = tf.saved_model.load(str(folder))
    name = NAMES[bundle.decision.task]

    def score(rows: pa.RecordBatch) -> np.ndarray:
        given = feeds(bundle, inputs, rows)
        tensors = {one.name: tf.constant(given[one.name], one.dtype) for one in inputs}
        return loaded.signatures[SIGNATURE](**tensors)[name].numpy()

    return score


def _core(bundle: Bundle) -> Callable[[TensorFlowOps, Transformed], Any]:
    match bundle.predictor:
        case KerasPredictor() as network:
            return lambda _, read: said(network, read)
        case Linear() as model:
            return lambda ops, read: models.linear(ops, model, read)
        case Dummy() as model:
            return lambda ops, read: models.dummy(ops, model, read)
    raise BundleError(
        f"the model is {bundle.manifest.kind}, and TensorFlow has no operations for trees",
        expected="a network, or a linear model",
        remedy="export it to ONNX",
        kind=bundle.manifest.kind,
    )
