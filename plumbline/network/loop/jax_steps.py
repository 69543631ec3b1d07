"""JAX only: an epoch's steps in one compiled loop."""

from functools import partial
from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.steps import learning_rate

State = tuple[Any, ...]
"""Values of the trainable variables, of the other ones, of the optimizer's and the metrics'."""


class JaxSteps:
    """See `Steps`. The state of model, optimizer and metrics is carried through the loop."""

    def __init__(self, training: Network):
        import jax

        self._jax: Any = jax
        self._training = training
        self._metrics_built = False
        self._full = jax.jit(self._loop, static_argnames="size")
        self._last = jax.jit(self._step)

    def place(self, arrays: Any) -> Any:
        return self._jax.tree.map(self._jax.numpy.asarray, arrays)

    def rows(self, placed: Any, places: np.ndarray) -> Any:
        return self._batch(placed, places)

    def order(self, places: np.ndarray) -> Any:
        return self._jax.numpy.asarray(places, self._jax.numpy.int32)

    def run(  # noqa: PLR0917
        self, placed: Any, order: Any, size: int, rates: np.ndarray, start: int, stop: int
    ) -> None:
        optimizer = self._training.optimizer
        if not optimizer.built:  # loss scaling would be built anew
            optimizer.build(self._training.trainable_variables)
        self._build_metrics(placed)
        variables = self._variables()
        self._rate = next(
            at for at, one in enumerate(variables[2]) if one is learning_rate(optimizer)
        )
        state = tuple([one.value for one in part] for part in variables)
        rates = self._jax.numpy.asarray(rates, np.float32)
        full = len(order) // size
        if start < full:
            state = self._many(state, placed, order, rates, start, min(stop, full), size=size)
        if stop > full:
            state = self._rest(state, placed, order[full * size :], rates[full])
        # Errors of the device, and the time a call takes, belong to this call.
        self._jax.block_until_ready(state)
        for part, values in zip(variables, state, strict=True):
            for one, value in zip(part, values, strict=True):
                one.assign(value)

    def _many(  # noqa: PLR0917
        self, state: State, placed: Any, order: Any, rates: Any, start: int, stop: int, *, size: int
    ) -> State:
        """The state after full steps."""
        return self._full(state, placed, order, rates, start, stop, size=size)

    def _rest(self, state: State, placed: Any, here: Any, rate: Any) -> State:
        """The state after a step of the rows in `here`."""
        return self._last(state, placed, here, rate)

    def _build_metrics(self, placed: Any) -> None:
        """Metrics given to `compile` make their variables when they see a first row."""
        if self._metrics_built:
            return
        self._metrics_built = True
        if len(self._training.metrics) > 1:  # the first is the loss
            row = self.rows(placed, np.zeros(1, np.int32))
            self._training.test_on_batch(row["x"], row["y"], row.get("weight"))
            self._training.reset_metrics()

    def _variables(self) -> tuple[list[Any], ...]:
        model = self._training
        return (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )

    def _loop(  # noqa: PLR0917
        self, state: State, placed: Any, order: Any, rates: Any, start: Any, stop: Any, *, size: int
    ) -> State:
        def step(number: Any, state: Any) -> Any:
            here = self._jax.lax.dynamic_slice_in_dim(order, number * size, size)
            return self._step(state, placed, here, rates[number])

        return self._jax.lax.fori_loop(start, stop, step, state)

    def _step(self, state: State, placed: Any, here: Any, rate: Any) -> State:
        trainable, fixed, optimizer, metrics = state
        optimizer = [rate if at == self._rate else one for at, one in enumerate(optimizer)]
        batch = self._batch(placed, here)
        data = (batch["x"], batch["y"], batch.get("weight"))
        return self._training.train_step((trainable, fixed, optimizer, metrics), data)[1]

    def _batch(self, placed: Any, here: Any) -> Any:
        return self._jax.tree.map(partial(_taken, here), placed)


def _taken(here: Any, rows: Any) -> Any:
    return rows.at[here].get(mode="promise_in_bounds")
