"""A network within a graph of TensorFlow's, for the formats that are made of one."""

from typing import Any

from plumbline.baselines.predictor import Predictor
from plumbline.errors import BundleError
from plumbline.exports.scaling import Transformed
from plumbline.network import backend
from plumbline.network.predictor import KerasPredictor
from plumbline.network.table import image_input


def said(model: KerasPredictor, read: Transformed) -> Any:
    """What the network says of rows, as a tensor of TensorFlow: float64, shape (n, outputs)."""
    import tensorflow as tf

    some = (*read.numeric, *read.codes, *read.images.values())[0]
    none = tf.zeros((tf.shape(some)[0], 0))
    given = {
        "numeric": tf.stack(read.numeric, axis=1) if read.numeric else none,
        "codes": tf.cast(tf.stack(read.codes, axis=1) if read.codes else none, tf.int32),
        **{image_input(name): one for name, one in read.images.items()},
    }
    return tf.cast(model.network(given, training=False), tf.float64)


def variables(predictor: Predictor) -> list[Any]:
    """TensorFlow's variables behind a network's weights; none of another model."""
    if not isinstance(predictor, KerasPredictor):
        return []
    return [one.value for one in predictor.network.variables]


def require_tensorflow() -> None:
    """Refuse to make a graph where Keras runs on another backend.

    Raises:
        BundleError: it does.
    """
    found = backend.name()
    if found != "tensorflow":
        raise BundleError(
            f"Keras runs on {found}, and the graph is made of TensorFlow's operations",
            expected="KERAS_BACKEND=tensorflow; a network's file is read by either backend",
            remedy="export in a process of its own: plumbline bundle export",
            backend=found,
        )
