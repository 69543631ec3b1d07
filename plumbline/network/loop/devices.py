"""Several devices, of one machine or of several workers': each takes its share of every batch."""

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeVar

from plumbline.errors import SpecError, TrainingError
from plumbline.network import backend
from plumbline.network.architectures import Network
from plumbline.network.loop.steps import Steps, steps
from plumbline.worker import ALONE, Worker

log = logging.getLogger(__name__)

Told = TypeVar("Told")


def join(worker: Worker) -> None:
    """Meet the other workers; the first that a worker asks of the backend.

    Raises:
        SpecError: the backend trains in one process only.
    """
    if worker.alone:
        return
    if backend.name() != "tensorflow":
        raise SpecError(
            f"{worker.world} workers are to train a network together, and the Keras backend is "
            f"{backend.name()}",
            expected="the backend tensorflow, or one worker",
            remedy="set KERAS_BACKEND=tensorflow, or execution.workers to 1",
        )
    from plumbline.network.loop import tensorflow_workers

    tensorflow_workers.strategy()


def agreed(find: Callable[[], Told], worker: Worker) -> Told:
    """What the first worker finds, as JSON types, told to all; they wait for it.

    Workers whose last bits differ would otherwise stop after different epochs.
    """
    if worker.alone:
        return find()
    from plumbline.network.loop import tensorflow_workers

    return tensorflow_workers.told(find() if worker.first else None)


def chosen(declared: int | Literal["all"], sizes: Iterable[int], worker: Worker = ALONE) -> int:
    """Devices that share batches of every size in `sizes`: the most that divide them all.

    Of several workers, all: their shares need not be of equal size.

    Raises:
        TrainingError: more were declared than there are.
        SpecError: a number is declared, of each of several workers.
    """
    if not worker.alone:
        return _of_workers(declared)
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


def _of_workers(declared: int | Literal["all"]) -> int:
    from plumbline.network.loop import tensorflow_workers

    if declared != "all":
        raise SpecError(
            f"network.devices is {declared}, and several workers train the network",
            expected="network.devices: all; each worker takes every device that it sees",
            remedy="leave network.devices out, and set execution.gpus_per_worker",
        )
    return tensorflow_workers.strategy().num_replicas_in_sync


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


def scope(count: int, worker: Worker = ALONE) -> AbstractContextManager[object]:
    """Networks to train on `count` devices are made and compiled herein."""
    if not worker.alone:
        from plumbline.network.loop import tensorflow_workers

        return tensorflow_workers.strategy().scope()
    if count == 1 or backend.name() == "jax":
        return nullcontext()
    from plumbline.network.loop import tensorflow_mirroring

    return tensorflow_mirroring.strategy(count).scope()


def steps_on(count: int, worker: Worker = ALONE) -> Callable[[Network], Steps]:
    """What makes a compiled network's steps, taken by `count` devices together."""
    if not worker.alone:
        from plumbline.network.loop import tensorflow_workers

        return tensorflow_workers.WorkerSteps
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
