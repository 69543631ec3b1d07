"""TensorFlow only: each worker's devices take their share of every batch.

As `tensorflow_mirroring` does on one machine. All workers have all rows, and take the same steps
in the same order of them. Shares may differ by a row: each counts for the rows it has, so that
gradient and loss are those of the whole batch.
"""

import json
from functools import cache
from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.tensorflow_mirroring import MirroredSteps

TOLD = 1024
"""What is told is filled up to multiples of this (bytes), so that few lengths are compiled."""


@cache
def strategy() -> Any:
    """Of the processes in `TF_CONFIG`. The first call waits until each of them has made it."""
    import tensorflow as tf

    return tf.distribute.MultiWorkerMirroredStrategy()


def told(value: Any) -> Any:
    """What the first worker gives, in JSON types. All call it, and wait for each other."""
    content = np.frombuffer(json.dumps(value).encode(), np.uint8).astype(np.int32)
    size = int(_of_the_first(np.array([len(content)], np.int32))[0])
    filled = np.zeros(-(-size // TOLD) * TOLD, np.int32)
    filled[: min(size, len(content))] = content[:size]
    return json.loads(_of_the_first(filled)[:size].astype(np.uint8).tobytes())


def _of_the_first(numbers: np.ndarray) -> np.ndarray:
    """The first worker's numbers: the sum of them and of the others' zeros."""
    import tensorflow as tf

    def given(context: Any) -> Any:
        first = context.replica_id_in_sync_group == 0
        return tf.constant(numbers if first else np.zeros_like(numbers))

    joined = strategy()
    values = joined.experimental_distribute_values_from_function(given)
    return joined.reduce(tf.distribute.ReduceOp.SUM, values, axis=None).numpy()


class WorkerSteps(MirroredSteps):
    """See `Steps`. A batch of fewer rows than devices is computed whole by every device."""

    def __init__(self, training: Network):
        super().__init__(training)
        self._model: Any = training

    def _share(self, placed: Any, here: Any) -> None:
        tf = self._tf
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        rows = tf.shape(here)[0]
        whole = rows < self._count
        start = tf.where(whole, 0, number * rows // self._count)
        stop = tf.where(whole, rows, (number + 1) * rows // self._count)
        batch = self._batch(placed, here[start:stop])
        counts_for = tf.cast(tf.where(whole, rows, self._count * (stop - start)), tf.float32)
        self._train(batch, counts_for / tf.cast(rows, tf.float32), rows)

    def _train(self, batch: Any, counts_for: Any, rows: Any) -> None:
        """Keras' `train_step`, with the loss that it tells weighed by the whole batch's rows.

        counts_for: the share's part of the batch, times the number of shares.
        """
        tf, model = self._tf, self._model
        x, y = batch["x"], batch["y"]
        weight = batch["weight"] if "weight" in batch else tf.ones(tf.shape(y)[:1])
        weight = tf.nest.map_structure(lambda one: one * counts_for, weight)
        with tf.GradientTape() as tape:
            raw = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=raw, sample_weight=weight, training=True)
            scaled = model.optimizer.scale_loss(loss)
        # Keras has divided the loss among the devices.
        counted = tf.cast(rows, tf.float32) / self._count
        model._loss_tracker.update_state(loss * self._count, sample_weight=counted)
        gradients = tape.gradient(scaled, model.trainable_weights)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
