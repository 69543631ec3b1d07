"""JAX only: a replica of the network on each device, which takes its share of every batch.

Every device runs the whole loop of steps, on rows, weights and optimizer of its own. In each step
the replicas exchange one vector, the mean of their gradients; so their weights stay the same to
the last bit, and are those of one device up to the rounding of sums. What looks at several rows
of a batch would see a share of it: see `plumbline.network.loop.jax_shares`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.jax_steps import JaxSteps, State

REPLICA = "replica"

APART = 0x9E3779B9
"""Between the seeds of two replicas: an odd number of 32 bits, the golden ratio's fraction."""

ALIGNMENT = 64
"""Of an array that the devices of a CPU read where it lies (bytes)."""


class ReplicaSteps(JaxSteps):
    """See `Steps`. Steps whose rows the replicas cannot share evenly are taken by the first.

    Between two calls the model's variables hold the first replica's values, on the first device.
    Metrics are sums over rows; each replica has its own from one call to the next, so that
    their bits do not depend on how many steps a call takes.
    """

    def __init__(self, training: Network, count: int):
        super().__init__(training)
        jax = self._jax
        self._count = count
        self._on_cpu = jax.local_devices()[0].platform == "cpu"
        alike, own = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(REPLICA)
        mesh = jax.sharding.Mesh(np.array(jax.local_devices()[:count]), (REPLICA,))
        self._alike = jax.sharding.NamedSharding(mesh, alike)
        self._own = jax.sharding.NamedSharding(mesh, own)
        self._known = _Known(), _Known()

        def together(common: Any, sums: Any, *given: Any, size: int) -> Any:
            return jax.shard_map(
                partial(self._replica, size=size),
                mesh=mesh,
                in_specs=(alike, own, alike),
                out_specs=(alike, own),
                check_vma=False,
            )(common, sums, given)

        self._together = jax.jit(together, static_argnames="size")

    def place(self, arrays: Any) -> Any:
        """A copy on every device; those of a CPU share one."""
        if self._on_cpu:
            arrays = self._jax.tree.map(_aligned, arrays)
        return self._jax.device_put(arrays, self._alike)

    def order(self, places: np.ndarray) -> Any:
        return self.place(np.asarray(places, np.int32))

    def rows(self, placed: Any, places: np.ndarray) -> Any:
        return _free(super().rows(_first(placed), places))

    def _many(  # noqa: PLR0917
        self, state: State, placed: Any, order: Any, rates: Any, start: int, stop: int, *, size: int
    ) -> State:
        if size % self._count:
            given = _first(placed), _first(order), rates, start, stop
            return _free(super()._many(state, *given, size=size))
        *common, metrics = state
        everywhere, sums = self._known
        common, sums_of_each = self._together(
            self._jax.tree.map(partial(everywhere.get, self._spread), common),
            [sums.get(self._begun, one) for one in metrics],
            *(placed, order, rates, start, stop),
            size=size,
        )
        return (
            *everywhere.keep(common, _first(common)),
            sums.keep(sums_of_each, [np.asarray(one).sum(0, one.dtype) for one in sums_of_each]),
        )

    def _rest(self, state: State, placed: Any, here: Any, rate: Any) -> State:
        return _free(super()._rest(state, _first(placed), _first(here), rate))

    def _spread(self, value: Any) -> Any:
        return self._jax.device_put(np.asarray(value), self._alike)

    def _begun(self, value: Any) -> Any:
        """A sum so far, as the first replica's; the others begin with 0."""
        each = np.zeros((self._count, *value.shape), value.dtype)
        each[0] = value
        return self._jax.device_put(each, self._own)

    def _replica(self, common: Any, sums: Any, given: Any, *, size: int) -> Any:
        """What one replica does: full steps, each on its share of the batch."""
        jax = self._jax
        placed, order, rates, start, stop = given
        number, share = jax.lax.axis_index(REPLICA), size // self._count

        def step(at: Any, state: State) -> State:
            here = jax.lax.dynamic_slice_in_dim(order, at * size + number * share, share)
            return self._step(state, placed, here, rates[at])

        trainable, fixed, optimizer = common
        state = trainable, self._seeded(fixed, number), optimizer, [one[0] for one in sums]
        with self._reducing():
            trainable, fixed, optimizer, sums = jax.lax.fori_loop(start, stop, step, state)
        return (trainable, self._seeded(fixed, -number), optimizer), [one[None] for one in sums]

    def _seeded(self, fixed: Any, number: Any) -> list[Any]:
        """Seeds moved to those of a replica, or back; how often they drew stays what it is."""
        others = {id(one) for one in self._training.non_trainable_weights}
        moved = number.astype("uint32") * np.uint32(APART)
        return [
            value if id(one) in others else value.at[0].add(moved.astype(value.dtype))
            for one, value in zip(self._training.non_trainable_variables, fixed, strict=True)
        ]

    @contextmanager
    def _reducing(self) -> Iterator[None]:
        """Every step that is traced herein hands the optimizer the mean of all gradients."""
        optimizer = self._training.optimizer
        apply: Callable[..., Any] = optimizer.stateless_apply

        def reduced(variables: Any, gradients: Any, trainable: Any) -> Any:
            return apply(variables, self._mean(gradients), trainable)

        optimizer.stateless_apply = reduced
        try:
            yield
        finally:
            del optimizer.stateless_apply

    def _mean(self, gradients: Any) -> Any:
        """Over the replicas; as one vector: one by one, a small step took a quarter longer."""
        from jax.flatten_util import ravel_pytree

        vector, apart = ravel_pytree(gradients)
        return apart(self._jax.lax.pmean(vector, REPLICA))


class _Known:
    """Values that lie on every device already, found by what the variables hold of them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}

    def get(self, place: Callable[[Any], Any], value: Any) -> Any:
        """What lies on the devices for a variable's value; placed where nothing does."""
        _, placed = self._known.get(id(value), (None, None))
        return place(value) if placed is None else placed

    def keep(self, placed: Any, shown: Any) -> Any:
        """What the variables shall hold of the values that lie on the devices now."""
        import jax

        values = _free(shown)
        pairs = zip(jax.tree.leaves(values), jax.tree.leaves(placed), strict=True)
        # Held, so that no other array gets the number of one of them.
        self._known = {id(one): (one, other) for one, other in pairs}
        return values


def _first(placed: Any) -> Any:
    """What lies on the first device of what lies on all."""
    import jax

    return jax.tree.map(lambda one: one.addressable_data(0), placed)


def _free(arrays: Any) -> Any:
    """Copies that JAX may use together with arrays on any device, as those it made itself."""
    import jax

    return jax.tree.map(lambda one: jax.numpy.asarray(np.asarray(one)), arrays)


def _aligned(array: Any) -> np.ndarray:
    """A copy that begins at a multiple of `ALIGNMENT`, of 64-bit numbers in 32 bits."""
    import jax

    array = np.asarray(array)
    kind = jax.dtypes.canonicalize_dtype(array.dtype)
    room = np.empty(array.size * kind.itemsize + ALIGNMENT, np.uint8)
    skip = -room.ctypes.data % ALIGNMENT
    made = room[skip : skip + array.size * kind.itemsize].view(kind).reshape(array.shape)
    made[...] = array
    return made
