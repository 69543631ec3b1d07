"""TensorFlow only: a step's gradient from several passes over parts of its rows."""

from typing import Any

from plumbline.network.architectures import Network


class Accumulating:
    """A `train_step` that takes at most `rows` rows at a time and moves the weights once.

    The gradient is the mean over the batch's rows, as that of one pass is. Layers that look
    at several rows at once, as batch normalization does, see a part instead.
    """

    def __init__(self, training: Network, rows: int):
        import tensorflow

        self._tf: Any = tensorflow
        self._training: Any = training
        self._rows = rows

    def __call__(self, data: Any) -> dict[str, Any]:
        tf, model = self._tf, self._training
        count = tf.shape(tf.nest.flatten(data)[0])[0]
        unused: list[bool] = []

        def part(start: Any, sums: Any) -> Any:
            stop = tf.minimum(start + self._rows, count)
            cut = tf.nest.map_structure(lambda one: None if one is None else one[start:stop], data)
            found = self._gradients(cut, stop - start)
            unused[:] = [one is None for one in found]
            share = tf.cast(stop - start, tf.float32) / tf.cast(count, tf.float32)
            return stop, [self._added(*one, share) for one in zip(sums, found, strict=True)]

        weights = model.trainable_weights
        zeros = [tf.zeros(one.shape, one.dtype) for one in weights]
        _, sums = tf.while_loop(
            lambda start, _: start < count, part, [tf.constant(0), zeros], parallel_iterations=1
        )
        # Weights that the outputs do not depend on have no gradient, and are not decayed.
        told = [None if out else one for out, one in zip(unused, sums, strict=True)]
        model.optimizer.apply_gradients(zip(told, weights, strict=True))
        return model.get_metrics_result()

    def _gradients(self, data: Any, rows: Any) -> list[Any]:
        tf, model = self._tf, self._training
        x, y, weight = data
        with tf.GradientTape() as tape:
            raw = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=raw, sample_weight=weight, training=True)
            # Keras has divided the loss among the devices.
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            model._loss_tracker.update_state(loss * replicas, sample_weight=rows)
            scaled = model.optimizer.scale_loss(loss)
        return tape.gradient(scaled, model.trainable_weights)

    def _added(self, total: Any, gradient: Any, share: Any) -> Any:
        if gradient is None:
            return total
        dense = self._tf.convert_to_tensor(gradient)
        return total + self._tf.cast(share, total.dtype) * dense
