"""Several devices of one machine: each takes its share of every batch."""

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from plumbline.errors import TrainingError
from plumbline.network import backend
from plumbline.network.architectures import Network
from plumbline.network.loop.steps import Steps, steps

log = logging.getLogger(__name__)


def chosen(declared: int | Literal["all"], sizes: Iterable[int]) -> int:
    """Devices that share batches of every size in `sizes`: the most that divide them all.

    Raises:
        TrainingError: more were declared than there are.
    """
    there = len(names())
    wanted = there if declared == "all" else declared
    if wanted > there:
        raise TrainingError(
            f"network.devices is {wanted}, {backend.name()} sees {there} on this machine",
            expected=f"at most {there}",
            remedy="set network.devices to all",
            devices=there,
        )
    sizes = tuple(sizes)
    count = next(n for n in range(wanted, 0, -1) if all(size % n == 0 for size in sizes))
    if count < wanted:
        log.log(
            # A CPU's replicas are nothing that anyone has bought.
            logging.INFO if declared == "all" and _on_cpu() else logging.WARNING,
            "network: %d of %d devices are used, which batches of %s rows can be shared among; "
            "make network.batch_size a multiple of %d",
            *(count, wanted, " and ".join(map(str, sorted(set(sizes)))), wanted),
        )
    return count


def settled(
    training: Network, count: int, declared: int | Literal["all"], sizes: Iterable[int]
) -> int:
    """Those of the `count` devices chosen that do share the compiled network's batches.

    Replicas on a CPU do so unasked where that pays and changes nothing but the rounding of
    sums: see `jax_shares`. GPUs, and as many devices as were declared, always do.
    """
    if count == 1 or declared != "all" or backend.name() != "jax" or not _on_cpu():
        return count
    from plumbline.network.loop import jax_shares

    shared = jax_shares.pays(training, min(sizes)) and jax_shares.independent(training)
    return count if shared else 1


def _on_cpu() -> bool:
    return all("cpu" in one.lower() for one in names())


def names() -> list[str]:
    """The backend's names of its devices: GPUs, and where there are none, CPUs.

    With JAX a CPU is `backend.REPLICAS` of them.
    """
    if backend.name() == "jax":
        from plumbline.network.loop import jax_sharding

        return jax_sharding.names()
    from plumbline.network.loop import tensorflow_mirroring

    return tensorflow_mirroring.names()


def scope(count: int) -> AbstractContextManager[object]:
    """Networks to train on `count` devices are made and compiled herein."""
    if count == 1 or backend.name() == "jax":
        return nullcontext()
    from plumbline.network.loop import tensorflow_mirroring

    return tensorflow_mirroring.strategy(count).scope()


def steps_on(count: int) -> Callable[[Network], Steps]:
    """What makes a compiled network's steps, taken by `count` devices together."""
    if count == 1:
        return steps
    if backend.name() == "jax":
        return lambda training: _jax_steps(training, count)
    from plumbline.network.loop import tensorflow_mirroring

    return tensorflow_mirroring.MirroredSteps


def _jax_steps(training: Network, count: int) -> Steps:
    from plumbline.network.loop import jax_shares

    if jax_shares.independent(training):
        from plumbline.network.loop.jax_replicas import ReplicaSteps

        return ReplicaSteps(training, count)
    from plumbline.network.loop.jax_sharding import ShardedSteps

    return ShardedSteps(training, count)
