"""TensorFlow only: what layers give for a few rows, and the loss's gradient by the weights."""

from collections.abc import Callable, Mapping
from typing import Any

from plumbline.network.architectures import Network

Probe = Callable[[], tuple[dict[str, Any], list[Any]]]


def probe(training: Network, inner: Network, said: str, rows: Mapping[str, Any]) -> Probe:
    """See `layers.Probe`; `said` names the model's own among the outputs of `inner`.

    It runs eagerly, which costs less than a graph that is used twice.
    """
    import tensorflow

    tf: Any = tensorflow

    def run() -> tuple[dict[str, Any], list[Any]]:
        weights = [one.value for one in training.trainable_variables]
        with tf.GradientTape() as tape:
            outputs = inner(rows["x"], training=False)
            y_pred = outputs.pop(said)
            loss = training.compute_loss(x=rows["x"], y=rows["y"], y_pred=y_pred, training=False)
        found = tape.gradient(loss, weights, unconnected_gradients="zero")
        # The gradient of an embedding holds the rows that were looked up, and no others.
        return outputs, [tf.convert_to_tensor(one) for one in found]

    return run
