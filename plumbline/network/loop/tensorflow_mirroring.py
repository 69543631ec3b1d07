"""TensorFlow only: each device takes its share of every batch, in the same compiled loop.

Rows, weights and optimizer lie on every device; `MirroredStrategy` adds up the gradients. Batch
normalization sees a device's share.
"""

from functools import cache
from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.tensorflow_steps import TensorFlowSteps


def names() -> list[str]:
    """GPUs, and where there are none, CPUs."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    return [one.name for one in gpus or tf.config.list_logical_devices("CPU")]


@cache
def strategy(count: int) -> Any:
    """The strategy of the first `count` devices."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names()[:count])


class MirroredSteps(TensorFlowSteps):
    """See `Steps`. A batch that does not divide is computed whole by every device."""

    def __init__(self, training: Network):
        super().__init__(training)
        self._strategy = training.distribute_strategy
        self._count = self._strategy.num_replicas_in_sync

    def place(self, arrays: Any) -> Any:
        """A copy on every device of this process."""
        tf, packed = self._tf, self._packing.packed(arrays)
        on = self._strategy.extended.worker_devices

        def copy(context: Any) -> Any:
            with tf.device(on[context.replica_id_in_sync_group % len(on)]):
                return tf.nest.map_structure(tf.identity, packed)

        return self._strategy.experimental_distribute_values_from_function(copy)

    def rows(self, placed: Any, places: np.ndarray) -> Any:
        local = self._strategy.experimental_local_results
        first = self._tf.nest.map_structure(lambda one: local(one)[0], placed)
        return super().rows(first, places)

    def order(self, places: np.ndarray) -> Any:
        return self._tf.constant(places, self._tf.int32)

    def _step(self, placed: Any, here: Any) -> None:
        self._strategy.run(self._share, args=(placed, here))

    def _share(self, placed: Any, here: Any) -> None:
        tf = self._tf
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        rows = tf.shape(here)[0]
        each = tf.where(rows % self._count == 0, rows // self._count, 0)
        share = here[number * each : tf.where(each > 0, (number + 1) * each, rows)]
        super()._step(placed, share)
