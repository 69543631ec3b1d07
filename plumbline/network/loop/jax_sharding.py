"""JAX only: each device takes its share of every batch, in the same compiled loop.

Rows, weights and optimizer lie on every device. XLA sees that a batch is split along its rows,
computes each device's share there, and adds up the gradients (GSPMD; Xu et al., 2021). What
looks at a whole batch, as batch normalization does, still sees the whole.
"""

from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.jax_steps import JaxSteps

AXIS = "batch"


def names() -> list[str]:
    """The devices of this process."""
    import jax

    return [str(one) for one in jax.local_devices()]


class ShardedSteps(JaxSteps):
    """See `Steps`. A batch that does not divide is computed whole by every device."""

    def __init__(self, training: Network, count: int):
        super().__init__(training)
        jax = self._jax
        self._count = count
        mesh = jax.sharding.Mesh(np.array(jax.local_devices()[:count]), (AXIS,))
        self._everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        self._apart = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))

    def place(self, arrays: Any) -> Any:
        return self._jax.device_put(arrays, self._everywhere)

    def order(self, places: np.ndarray) -> Any:
        return self._jax.device_put(np.asarray(places, np.int32), self._everywhere)

    def run(  # noqa: PLR0917
        self, placed: Any, order: Any, size: int, rates: np.ndarray, start: int, stop: int
    ) -> None:
        # Whatever assigned to the weights since the last call may have put them on one device.
        for part in self._variables():
            for one in part:
                one._value = self._jax.device_put(one.value, self._everywhere)
        super().run(placed, order, size, rates, start, stop)

    def _batch(self, placed: Any, here: Any) -> Any:
        batch = super()._batch(placed, here)
        if len(here) % self._count:
            return batch
        return self._jax.lax.with_sharding_constraint(batch, self._apart)
