"""TensorFlow only: an epoch's steps in one `tf.function`."""

from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.tensorflow_packing import Packing


class TensorFlowSteps:
    """See `Steps`. A `while` loop in the graph calls `train_step`; batches are gathered there."""

    def __init__(self, training: Network):
        import tensorflow

        self._tf: Any = tensorflow
        self._training = training
        self._packing = Packing(training)
        self._run = tensorflow.function(self._loop, reduce_retracing=True, autograph=False)

    def place(self, arrays: Any) -> Any:
        return self._tf.nest.map_structure(self._tf.constant, self._packing.packed(arrays))

    def rows(self, placed: Any, places: np.ndarray) -> Any:
        return self._batch(placed, places)

    def order(self, places: np.ndarray) -> Any:
        return self._tf.constant(places, self._tf.int32)

    def run(  # noqa: PLR0917
        self, placed: Any, order: Any, size: int, rates: np.ndarray, start: int, stop: int
    ) -> None:
        tf = self._tf
        # Variables cannot be made inside the loop; loss scaling would make them anew.
        if not self._training.optimizer.built:
            self._training.optimizer.build(self._training.trainable_variables)
        rates = tf.constant(rates, tf.float32)
        self._run(placed, order, tf.constant(size), rates, tf.constant(start), tf.constant(stop))

    def _loop(self, placed: Any, order: Any, size: Any, rates: Any, start: Any, stop: Any) -> None:  # noqa: PLR0917
        from plumbline.network.loop.steps import learning_rate

        tf = self._tf
        rate = learning_rate(self._training.optimizer)

        def step(number: Any) -> Any:
            rate.assign(rates[number])
            here = order[number * size : (number + 1) * size]
            self._step(placed, here)
            return number + 1

        tf.while_loop(lambda number: number < stop, step, [start], parallel_iterations=1)

    def _step(self, placed: Any, here: Any) -> None:
        """One step over the rows in `here`."""
        batch = self._batch(placed, here)
        self._training.train_step((batch["x"], batch["y"], batch.get("weight")))

    def _batch(self, placed: Any, here: Any) -> Any:
        tf = self._tf
        taken = tf.nest.map_structure(lambda one: tf.gather(one, here), placed)
        return self._packing.unpacked(taken)
